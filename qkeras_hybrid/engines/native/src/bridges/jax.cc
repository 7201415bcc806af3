// Handlers that XLA calls on the CPU, for jax.ffi. Each takes the attributes
//   program: the serialized program in hexadecimal digits; digest: a digest of it and of `lanes`;
//   lanes: "auto", "samples" or "amplitudes".
// `vmap` adds leading axes to the shapes in session.h. They have size one where an argument is the
// same for all. The handler runs the program once for each element of the results' leading axes.
#include <algorithm>
#include <atomic>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "../c_api.h"
#include "../process.h"
#include "../session.h"
#include "../sessions.h"
#include "xla_ffi.h"

namespace qkeras_hybrid {
namespace {

// The parts that are used here are the same in all minor versions of the interface. XLA accepts only
// some versions, and does not say which when it asks.
std::atomic<int> minor_version{1};

using xla::Buffer;
using xla::CallFrame;
using xla::DataType;

xla::Error* Fail(const CallFrame& frame, xla::ErrorCode code, const std::string& message) {
  xla::NewError error{sizeof(xla::NewError), nullptr, message.c_str(), code};
  return frame.api->new_error(&error);
}

xla::Error* Invalid(const CallFrame& frame, const std::string& message) {
  return Fail(frame, xla::ErrorCode::kInvalidArgument, message);
}

xla::Error* AsError(const CallFrame& frame, const Result& result) {
  if (result.ok()) return nullptr;
  return Fail(frame,
              result.code == Code::kInvalidArgument ? xla::ErrorCode::kInvalidArgument
                                                    : xla::ErrorCode::kResourceExhausted,
              result.message);
}

std::string_view TextAttribute(const CallFrame& frame, std::string_view name) {
  const xla::Attributes& all = frame.attributes;
  for (int64_t i = 0; i < all.size; ++i) {
    if (all.kinds[i] == xla::AttributeKind::kText &&
        name == std::string_view(all.names[i]->data, all.names[i]->size)) {
      const auto* const text = static_cast<const xla::Text*>(all.values[i]);
      return {text->data, text->size};
    }
  }
  return {};
}

int HexDigit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

std::string FromHex(std::string_view digits) {
  std::string bytes(digits.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(HexDigit(digits[2 * i]) << 4 | HexDigit(digits[2 * i + 1]));
  }
  return bytes;
}

int64_t Dimension(const Buffer& buffer, int64_t from_end) {
  return buffer.dimensions[buffer.rank - from_end];
}

// The common part of the handlers: the session, the types and the sizes.
struct Call {
  const CallFrame* frame;
  std::shared_ptr<const Session> session;
  int64_t n_leading;        // leading axes of all arrays
  const int64_t* leading;   // their sizes, as the results have them
  int64_t repeats, batch;

  const Buffer& argument(int i) const { return *frame->arguments.buffers[i]; }
  const Buffer& result(int i) const { return *frame->results.buffers[i]; }

  // Part `r` of an argument, whose parts have `size` numbers.
  template <class T>
  const T* In(int i, int64_t r, int64_t size) const {
    const Buffer& buffer = argument(i);
    int64_t place = 0, stride = 1;
    for (int64_t axis = n_leading; axis-- > 0; r /= leading[axis]) {
      if (buffer.dimensions[axis] == 1) continue;
      place += r % leading[axis] * stride;
      stride *= leading[axis];
    }
    return static_cast<const T*>(buffer.data) + place * size;
  }
  template <class T>
  T* Out(int i, int64_t r, int64_t size) const {
    return static_cast<T*>(result(i).data) + r * size;
  }
  template <class T>
  const T* Inputs(int64_t r) const {
    return In<T>(0, r, batch * session->sizes().n_inputs);
  }
  template <class T>
  const T* Weights(int64_t r) const {
    return In<T>(1, r, session->sizes().n_weights);
  }
};

// An argument of the sizes `last` after the leading axes, of numbers of a type.
bool Fits(const Call& call, const Buffer& buffer, DataType type,
          std::initializer_list<int64_t> last) {
  if (buffer.type != type || buffer.rank != call.n_leading + static_cast<int64_t>(last.size())) {
    return false;
  }
  for (int64_t axis = 0; axis < call.n_leading; ++axis) {
    if (buffer.dimensions[axis] != 1 && buffer.dimensions[axis] != call.leading[axis]) return false;
  }
  return std::equal(last.begin(), last.end(), buffer.dimensions + call.n_leading);
}

// A result, which has all leading axes in full.
bool Fills(const Call& call, const Buffer& buffer, DataType type,
           std::initializer_list<int64_t> last) {
  return Fits(call, buffer, type, last) &&
         std::equal(call.leading, call.leading + call.n_leading, buffer.dimensions);
}

template <class T>
constexpr DataType kReal = sizeof(T) == 8 ? DataType::kFloat64 : DataType::kFloat32;
template <class T>
constexpr DataType kComplex = sizeof(T) == 8 ? DataType::kComplex128 : DataType::kComplex64;

// Answers XLA's question for the version. Any other call finds the session and runs
// `Operation::Run<T>(call)` for float or double.
template <class Operation>
xla::Error* Handle(CallFrame* frame) {
  for (xla::Extension* e = frame->extensions; e != nullptr; e = e->next) {
    if (e->type != xla::kMetadataExtension) continue;
    xla::Metadata* const metadata = reinterpret_cast<xla::MetadataExtension*>(e)->metadata;
    metadata->version.major = xla::kMajorVersion;
    metadata->version.minor = minor_version;
    metadata->traits = 0;
    return nullptr;
  }
  if (frame->stage != xla::Stage::kExecute) return nullptr;
  if (frame->arguments.size != Operation::kArguments ||
      frame->results.size != Operation::kResults) {
    return Invalid(*frame, "A native operation was called with a wrong number of arrays.");
  }
  try {
    std::string error;
    Call call{frame, nullptr, 0, nullptr, 1, 0};
    call.session =
        PerProcess<Sessions>::Get().Get(TextAttribute(*frame, "digest"), [&] {
          return Session::Open(FromHex(TextAttribute(*frame, "program")),
                               TextAttribute(*frame, "lanes"), &error);
        });
    if (call.session == nullptr) return Invalid(*frame, error);
    const Buffer &inputs = call.argument(0), &weights = call.argument(1);
    const Sizes& sizes = call.session->sizes();
    call.n_leading = inputs.rank - 2;
    const Buffer& first = call.result(0);
    if (call.n_leading < 0 || first.rank < call.n_leading) {
      return Invalid(*frame, "Argument `inputs` must have 2 axes.");
    }
    call.leading = first.dimensions;
    for (int64_t axis = 0; axis < call.n_leading; ++axis) call.repeats *= call.leading[axis];
    call.batch = Dimension(inputs, 2);
    if (!Fits(call, inputs, inputs.type, {call.batch, sizes.n_inputs}) ||
        !Fits(call, weights, inputs.type, {sizes.n_weights})) {
      return Invalid(*frame, "Arguments `inputs` and `weights` must have shapes (batch, " +
                                 std::to_string(sizes.n_inputs) + ") and (" +
                                 std::to_string(sizes.n_weights) + ",) and one dtype.");
    }
    switch (inputs.type) {
      case DataType::kFloat32:
        return Operation::template Run<float>(call);
      case DataType::kFloat64:
        return Operation::template Run<double>(call);
      default:
        return Invalid(*frame, "Argument `inputs` must be of dtype float32 or float64.");
    }
  } catch (const std::exception& error) {
    return Fail(*frame, xla::ErrorCode::kResourceExhausted, error.what());
  }
}

// Calls body(r) for each element of the leading axes, until one fails.
template <class F>
xla::Error* ForRepeats(const Call& call, F body) {
  for (int64_t r = 0; r < call.repeats; ++r) {
    const Result result = body(r);
    if (!result.ok()) return AsError(*call.frame, result);
  }
  return nullptr;
}

// inputs, weights -> expectations, measured, kept of the shape that QhKeptShape gave.
struct ExpectationHandler {
  static constexpr int64_t kArguments = 2, kResults = 3;

  template <class T>
  static xla::Error* Run(const Call& call) {
    const Sizes& sizes = call.session->sizes();
    const int64_t n = sizes.n_observables, m = sizes.n_measured;
    const Buffer& kept = call.result(2);
    if (kept.rank < 2) return Invalid(*call.frame, "The result `kept` must have 2 axes.");
    const int64_t places = Dimension(kept, 2), numbers = Dimension(kept, 1);
    if (!Fills(call, call.result(0), kReal<T>, {call.batch, n}) ||
        !Fills(call, call.result(1), kReal<T>, {call.batch, m}) ||
        !Fills(call, kept, kReal<T>, {places, numbers})) {
      return Invalid(*call.frame, "The results of an expectation have wrong shapes.");
    }
    // An exported program may come from a machine with other vectors. Then nothing is kept, and the
    // gradient, which gets the same shape, computes the states anew.
    const bool keeps = call.session->KeptFits<T>(call.batch, places, numbers);
    return ForRepeats(call, [&](int64_t r) {
      T* const keep = keeps ? call.Out<T>(2, r, places * numbers) : nullptr;
      return call.session->Expectation<T>(call.batch, call.Inputs<T>(r), call.Weights<T>(r),
                                          call.Out<T>(0, r, call.batch * n),
                                          call.Out<T>(1, r, call.batch * m),
                                          {places, numbers, keep});
    });
  }
};

// Results of both gradients: d_inputs, without elements if it is not needed, and d_weights.
template <class T>
bool GradientsFit(const Call& call, bool* wanted) {
  const Sizes& sizes = call.session->sizes();
  const Buffer& d_inputs = call.result(0);
  *wanted = Fills(call, d_inputs, kReal<T>, {call.batch, sizes.n_inputs});
  return (*wanted || Fills(call, d_inputs, kReal<T>, {0, 0})) &&
         Fills(call, call.result(1), kReal<T>, {sizes.n_weights});
}

// inputs, weights, measured, kept, upstream -> d_inputs, d_weights.
struct ExpectationGradientHandler {
  static constexpr int64_t kArguments = 5, kResults = 2;

  template <class T>
  static xla::Error* Run(const Call& call) {
    const Sizes& sizes = call.session->sizes();
    const int64_t n = sizes.n_observables, m = sizes.n_measured;
    const Buffer& kept = call.argument(3);
    if (kept.rank < 2) return Invalid(*call.frame, "Argument `kept` must have 2 axes.");
    const int64_t places = Dimension(kept, 2), numbers = Dimension(kept, 1);
    bool wanted;
    if (!Fits(call, call.argument(2), kReal<T>, {call.batch, m}) ||
        !Fits(call, call.argument(4), kReal<T>, {call.batch, n}) ||
        !Fits(call, kept, kReal<T>, {places, numbers}) || !GradientsFit<T>(call, &wanted)) {
      return Invalid(*call.frame, "The arrays of an expectation's gradient have wrong shapes.");
    }
    const bool keeps = call.session->KeptFits<T>(call.batch, places, numbers);
    return ForRepeats(call, [&](int64_t r) {
      const T* const given = keeps ? call.In<T>(3, r, places * numbers) : nullptr;
      return call.session->ExpectationGradient<T>(
          call.batch, call.Inputs<T>(r), call.Weights<T>(r), call.In<T>(2, r, call.batch * m),
          call.In<T>(4, r, call.batch * n), {places, numbers, given},
          wanted ? call.Out<T>(0, r, call.batch * sizes.n_inputs) : nullptr,
          call.Out<T>(1, r, sizes.n_weights));
    });
  }
};

// inputs, weights -> state.
struct StateHandler {
  static constexpr int64_t kArguments = 2, kResults = 1;

  template <class T>
  static xla::Error* Run(const Call& call) {
    const int64_t size = int64_t{1} << call.session->sizes().n_qubits;
    if (!Fills(call, call.result(0), kComplex<T>, {call.batch, size})) {
      return Invalid(*call.frame, "The result of a state has a wrong shape.");
    }
    return ForRepeats(call, [&](int64_t r) {
      return call.session->State<T>(call.batch, call.Inputs<T>(r), call.Weights<T>(r),
                                    call.Out<T>(0, r, call.batch * size * 2));
    });
  }
};

// inputs, weights, upstream -> d_inputs, d_weights.
struct StateGradientHandler {
  static constexpr int64_t kArguments = 3, kResults = 2;

  template <class T>
  static xla::Error* Run(const Call& call) {
    const Sizes& sizes = call.session->sizes();
    const int64_t size = int64_t{1} << sizes.n_qubits;
    bool wanted;
    if (!Fits(call, call.argument(2), kComplex<T>, {call.batch, size}) ||
        !GradientsFit<T>(call, &wanted)) {
      return Invalid(*call.frame, "The arrays of a state's gradient have wrong shapes.");
    }
    return ForRepeats(call, [&](int64_t r) {
      return call.session->StateGradient<T>(
          call.batch, call.Inputs<T>(r), call.Weights<T>(r),
          call.In<T>(2, r, call.batch * size * 2),
          wanted ? call.Out<T>(0, r, call.batch * sizes.n_inputs) : nullptr,
          call.Out<T>(1, r, sizes.n_weights));
    });
  }
};

// inputs, weights, seed of two numbers of 64 bits, the lower half of each first -> bits.
struct SampleHandler {
  static constexpr int64_t kArguments = 3, kResults = 1;

  template <class T>
  static xla::Error* Run(const Call& call) {
    const int64_t n = call.session->sizes().n_qubits;
    const Buffer &seeds = call.argument(2), &bits = call.result(0);
    if (!Fits(call, seeds, DataType::kUint32, {4}) || bits.rank < 3 ||
        !Fills(call, bits, DataType::kInt32, {call.batch, Dimension(bits, 2), n})) {
      return Invalid(*call.frame, "The arrays of a sample have wrong shapes.");
    }
    const int64_t shots = Dimension(bits, 2);
    return ForRepeats(call, [&](int64_t r) {
      const auto* const words = call.In<uint32_t>(2, r, 4);
      const int64_t seed[2] = {static_cast<int64_t>(uint64_t{words[1]} << 32 | words[0]),
                               static_cast<int64_t>(uint64_t{words[3]} << 32 | words[2])};
      return call.session->Sample<T>(call.batch, call.Inputs<T>(r), call.Weights<T>(r), shots, seed,
                                     call.Out<int32_t>(0, r, call.batch * shots * n));
    });
  }
};

}  // namespace
}  // namespace qkeras_hybrid

extern "C" {

// Sets which minor version of XLA's interface the handlers say that they are made for.
QH_EXPORT void QhJaxSetVersion(int minor) { qkeras_hybrid::minor_version = minor; }

QH_EXPORT void* QhJaxExpectation(void* frame) {
  using namespace qkeras_hybrid;
  return Handle<ExpectationHandler>(static_cast<CallFrame*>(frame));
}
QH_EXPORT void* QhJaxExpectationGradient(void* frame) {
  using namespace qkeras_hybrid;
  return Handle<ExpectationGradientHandler>(static_cast<CallFrame*>(frame));
}
QH_EXPORT void* QhJaxState(void* frame) {
  using namespace qkeras_hybrid;
  return Handle<StateHandler>(static_cast<CallFrame*>(frame));
}
QH_EXPORT void* QhJaxStateGradient(void* frame) {
  using namespace qkeras_hybrid;
  return Handle<StateGradientHandler>(static_cast<CallFrame*>(frame));
}
QH_EXPORT void* QhJaxSample(void* frame) {
  using namespace qkeras_hybrid;
  return Handle<SampleHandler>(static_cast<CallFrame*>(frame));
}

}  // extern "C"
