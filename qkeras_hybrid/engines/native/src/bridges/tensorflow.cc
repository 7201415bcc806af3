// TensorFlow operations over the core, through TensorFlow's C interface for operations and kernels.
//
// A separate library that `tf.load_op_library` loads. It is linked with neither TensorFlow nor the
// core: it finds both at run time, so that one build serves every version of TensorFlow.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "../c_api.h"

namespace {

// --- TensorFlow's C interface (tensorflow/c/{ops,kernels,tf_tensor,tf_status,tf_datatype}.h), as
// far as it is used here. tests/native/abi_tensorflow.cc compares these with TensorFlow's headers.

struct TfStatus;
struct TfTensor;
struct TfOpDefinition;
struct TfShapes;
struct TfShape;
struct TfKernelBuilder;
struct TfConstruction;
struct TfContext;

enum TfType : int { kFloat = 1, kDouble = 2, kInt32 = 3, kComplex64 = 8, kInt64 = 9,
                    kComplex128 = 18 };
enum TfCode : int { kInvalidArgument = 3, kResourceExhausted = 8 };

struct TensorFlow {
  TfStatus* (*new_status)();
  void (*delete_status)(TfStatus*);
  void (*set_status)(TfStatus*, TfCode, const char*);
  int (*get_code)(const TfStatus*);

  TfOpDefinition* (*new_op)(const char*);
  void (*add_attribute)(TfOpDefinition*, const char*);
  void (*add_input)(TfOpDefinition*, const char*);
  void (*add_output)(TfOpDefinition*, const char*);
  void (*set_shapes)(TfOpDefinition*, void (*)(TfShapes*, TfStatus*));
  void (*register_op)(TfOpDefinition*, TfStatus*);

  void (*unknown_shapes)(TfShapes*, TfStatus*);

  TfKernelBuilder* (*new_kernel)(const char*, const char*, void* (*)(TfConstruction*),
                                 void (*)(void*, TfContext*), void (*)(void*));
  void (*constrain_type)(TfKernelBuilder*, const char*, TfType, TfStatus*);
  void (*register_kernel)(const char*, TfKernelBuilder*, TfStatus*);

  void (*attribute_size)(TfConstruction*, const char*, int32_t*, int32_t*, TfStatus*);
  void (*get_text)(TfConstruction*, const char*, char*, size_t, TfStatus*);
  void (*get_bool)(TfConstruction*, const char*, unsigned char*, TfStatus*);
  void (*get_type)(TfConstruction*, const char*, TfType*, TfStatus*);
  void (*fail_construction)(TfConstruction*, TfStatus*);

  int (*n_inputs)(TfContext*);
  void (*get_input)(TfContext*, int, TfTensor**, TfStatus*);
  TfTensor* (*new_output)(TfContext*, int, TfType, const int64_t*, int, size_t, TfStatus*);
  void (*fail)(TfContext*, TfStatus*);

  void (*delete_tensor)(TfTensor*);
  int (*n_dimensions)(const TfTensor*);
  int64_t (*dimension)(const TfTensor*, int);
  void* (*data)(const TfTensor*);
};
TensorFlow tf;

// The core's functions, which this library finds in `_native.so` next to itself.
struct Core {
  decltype(&QhError) error;
  decltype(&QhOpen) open;
  decltype(&QhClose) close;
  decltype(&QhGetSizes) get_sizes;
  decltype(&QhKeptShape) kept_shape;
  decltype(&QhExpectation) expectation;
  decltype(&QhExpectationGradient) expectation_gradient;
  decltype(&QhState) state;
  decltype(&QhStateGradient) state_gradient;
  decltype(&QhSample) sample;
};
Core core;

// Looks functions up, and remembers whether one was missing.
class Finder {
 public:
  explicit Finder(void* library) : library_(library), complete_(library != nullptr) {}

  template <class F>
  Finder& Find(const char* name, F** function) {
    void* const found = library_ == nullptr ? nullptr : dlsym(library_, name);
    complete_ = complete_ && found != nullptr;
    std::memcpy(function, &found, sizeof(found));
    return *this;
  }

  bool complete() const { return complete_; }

 private:
  void* library_;
  bool complete_;
};

bool FindTensorFlow() {
  // TensorFlow is already loaded, since it loads this library.
#if defined(__APPLE__)
  void* const library = dlopen("libtensorflow_framework.2.dylib", RTLD_LAZY | RTLD_NOLOAD);
#else
  void* const library = dlopen("libtensorflow_framework.so.2", RTLD_LAZY | RTLD_NOLOAD);
#endif
  return Finder(library)
      .Find("TF_NewStatus", &tf.new_status)
      .Find("TF_DeleteStatus", &tf.delete_status)
      .Find("TF_SetStatus", &tf.set_status)
      .Find("TF_GetCode", &tf.get_code)
      .Find("TF_NewOpDefinitionBuilder", &tf.new_op)
      .Find("TF_OpDefinitionBuilderAddAttr", &tf.add_attribute)
      .Find("TF_OpDefinitionBuilderAddInput", &tf.add_input)
      .Find("TF_OpDefinitionBuilderAddOutput", &tf.add_output)
      .Find("TF_OpDefinitionBuilderSetShapeInferenceFunction", &tf.set_shapes)
      .Find("TF_RegisterOpDefinition", &tf.register_op)
      .Find("TF_ShapeInferenceContextSetUnknownShape", &tf.unknown_shapes)
      .Find("TF_NewKernelBuilder", &tf.new_kernel)
      .Find("TF_KernelBuilder_TypeConstraint", &tf.constrain_type)
      .Find("TF_RegisterKernelBuilder", &tf.register_kernel)
      .Find("TF_OpKernelConstruction_GetAttrSize", &tf.attribute_size)
      .Find("TF_OpKernelConstruction_GetAttrString", &tf.get_text)
      .Find("TF_OpKernelConstruction_GetAttrBool", &tf.get_bool)
      .Find("TF_OpKernelConstruction_GetAttrType", &tf.get_type)
      .Find("TF_OpKernelConstruction_Failure", &tf.fail_construction)
      .Find("TF_NumInputs", &tf.n_inputs)
      .Find("TF_GetInput", &tf.get_input)
      .Find("TF_AllocateOutput", &tf.new_output)
      .Find("TF_OpKernelContext_Failure", &tf.fail)
      .Find("TF_DeleteTensor", &tf.delete_tensor)
      .Find("TF_NumDims", &tf.n_dimensions)
      .Find("TF_Dim", &tf.dimension)
      .Find("TF_TensorData", &tf.data)
      .complete();
}

bool FindCore() {
  Dl_info here;
  if (dladdr(reinterpret_cast<void*>(&FindCore), &here) == 0) return false;
  std::string path = here.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "_native.so";
  return Finder(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
      .Find("QhError", &core.error)
      .Find("QhOpen", &core.open)
      .Find("QhClose", &core.close)
      .Find("QhGetSizes", &core.get_sizes)
      .Find("QhKeptShape", &core.kept_shape)
      .Find("QhExpectation", &core.expectation)
      .Find("QhExpectationGradient", &core.expectation_gradient)
      .Find("QhState", &core.state)
      .Find("QhStateGradient", &core.state_gradient)
      .Find("QhSample", &core.sample)
      .complete();
}

// --- What kernels work with

class Status {
 public:
  Status() : status_(tf.new_status()) {}
  ~Status() { tf.delete_status(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  bool ok() const { return tf.get_code(status_) == 0; }
  void Set(TfCode code, const std::string& message) {
    tf.set_status(status_, code, message.c_str());
  }
  TfStatus* get() const { return status_; }

 private:
  TfStatus* const status_;
};

struct DeleteTensor {
  void operator()(TfTensor* tensor) const { tf.delete_tensor(tensor); }
};
using Tensor = std::unique_ptr<TfTensor, DeleteTensor>;

using Shape = std::vector<int64_t>;

Shape ShapeOf(const Tensor& tensor) {
  Shape shape;
  for (int i = 0; i < tf.n_dimensions(tensor.get()); ++i) {
    shape.push_back(tf.dimension(tensor.get(), i));
  }
  return shape;
}

std::string Text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

void* Data(const Tensor& tensor) { return tf.data(tensor.get()); }

// One run of a kernel: its tensors, and the first thing that went wrong.
class Run {
 public:
  explicit Run(TfContext* context) : context_(context) {}

  bool ok() const { return status_.ok(); }
  void Invalid(const std::string& message) { status_.Set(kInvalidArgument, message); }
  // The return value of a function of the core.
  void Check(int code) {
    if (code != 0) status_.Set(code == 1 ? kInvalidArgument : kResourceExhausted, core.error());
  }

  int n_inputs() const { return tf.n_inputs(context_); }

  Tensor Input(int i) {
    TfTensor* tensor = nullptr;
    if (ok()) tf.get_input(context_, i, &tensor, status_.get());
    return Tensor(tensor);
  }

  // An input of one shape, or null.
  Tensor Input(int i, const char* name, const Shape& shape) {
    Tensor tensor = Input(i);
    if (ok() && ShapeOf(tensor) != shape) {
      Invalid(std::string("Argument `") + name + "` must have shape " + Text(shape) +
              ", but got " + Text(ShapeOf(tensor)) + ".");
      tensor.reset();
    }
    return tensor;
  }

  Tensor Output(int i, TfType type, const Shape& shape) {
    if (!ok()) return nullptr;
    size_t bytes = type == kComplex128 ? 16 : type == kFloat || type == kInt32 ? 4 : 8;
    for (const int64_t size : shape) {
      if (__builtin_mul_overflow(bytes, static_cast<size_t>(size), &bytes)) {
        Invalid("A result of shape " + Text(shape) + " is too large.");
        return nullptr;
      }
    }
    return Tensor(tf.new_output(context_, i, type, shape.data(), static_cast<int>(shape.size()),
                                bytes, status_.get()));
  }

  // Passes the error, if there is one, to TensorFlow.
  void Finish() {
    if (!ok()) tf.fail(context_, status_.get());
  }

 private:
  TfContext* const context_;
  Status status_;
};

// A kernel's session and attributes.
struct Kernel {
  const QhSession* session = nullptr;
  QhSizes sizes{};
  int dtype = 0;
  bool keep = false, need_inputs = false;

  ~Kernel() {
    if (session != nullptr) core.close(session);
  }
  TfType real() const { return dtype == 1 ? kDouble : kFloat; }
  TfType complex() const { return dtype == 1 ? kComplex128 : kComplex64; }
};

// Inputs and weights, which all operations have.
struct Arguments {
  Tensor inputs, weights;
  int64_t batch = 0;

  Arguments(const Kernel& kernel, Run* run) : inputs(run->Input(0)) {
    if (!run->ok()) return;
    const Shape shape = ShapeOf(inputs);
    if (shape.size() != 2 || shape[1] != kernel.sizes.n_inputs) {
      run->Invalid("Argument `inputs` must have shape (batch, " +
                   std::to_string(kernel.sizes.n_inputs) + "), but got " + Text(shape) + ".");
      return;
    }
    batch = shape[0];
    weights = run->Input(1, "weights", {kernel.sizes.n_weights});
  }
};

// --- The operations

void Expectation(const Kernel& kernel, Run* run) {
  const Arguments given(kernel, run);
  const QhSizes& sizes = kernel.sizes;
  int64_t places = 0, numbers = 0;
  if (run->ok() && kernel.keep) {
    core.kept_shape(kernel.session, kernel.dtype, given.batch, &places, &numbers);
  }
  const Tensor expectations = run->Output(0, kernel.real(), {given.batch, sizes.n_observables});
  const Tensor measured = run->Output(1, kernel.real(), {given.batch, sizes.n_measured});
  const Tensor kept = run->Output(2, kernel.real(), {places, numbers});
  if (!run->ok()) return;
  run->Check(core.expectation(kernel.session, kernel.dtype, given.batch, Data(given.inputs),
                              Data(given.weights), Data(expectations), Data(measured),
                              places == 0 ? nullptr : Data(kept), places, numbers));
}

// The results of both gradients.
struct Gradients {
  Tensor inputs, weights;

  Gradients(const Kernel& kernel, int64_t batch, Run* run)
      : inputs(run->Output(0, kernel.real(),
                           {kernel.need_inputs ? batch : 0,
                            kernel.need_inputs ? kernel.sizes.n_inputs : 0})),
        weights(run->Output(1, kernel.real(), {kernel.sizes.n_weights})) {}
};

void ExpectationGradient(const Kernel& kernel, Run* run) {
  const Arguments given(kernel, run);
  const Tensor measured = run->Input(2, "measured", {given.batch, kernel.sizes.n_measured});
  const Tensor upstream = run->Input(3, "upstream", {given.batch, kernel.sizes.n_observables});
  const Tensor kept = run->n_inputs() > 4 ? run->Input(4) : nullptr;
  const Gradients gradients(kernel, given.batch, run);
  if (!run->ok()) return;
  const Shape shape = kept == nullptr ? Shape{0, 0} : ShapeOf(kept);
  if (shape.size() != 2) {
    run->Invalid("Argument `kept` must be what the expectation of this batch kept, but has shape " +
                 Text(shape) + ".");
    return;
  }
  const bool empty = shape[0] == 0 || shape[1] == 0;
  run->Check(core.expectation_gradient(
      kernel.session, kernel.dtype, given.batch, Data(given.inputs), Data(given.weights),
      Data(measured), Data(upstream), empty ? nullptr : Data(kept), shape[0], shape[1],
      kernel.need_inputs ? Data(gradients.inputs) : nullptr, Data(gradients.weights)));
}

void State(const Kernel& kernel, Run* run) {
  const Arguments given(kernel, run);
  const Tensor state =
      run->Output(0, kernel.complex(), {given.batch, int64_t{1} << kernel.sizes.n_qubits});
  if (!run->ok()) return;
  run->Check(core.state(kernel.session, kernel.dtype, given.batch, Data(given.inputs),
                        Data(given.weights), Data(state)));
}

void StateGradient(const Kernel& kernel, Run* run) {
  const Arguments given(kernel, run);
  const Tensor upstream =
      run->Input(2, "upstream", {given.batch, int64_t{1} << kernel.sizes.n_qubits});
  const Gradients gradients(kernel, given.batch, run);
  if (!run->ok()) return;
  run->Check(core.state_gradient(kernel.session, kernel.dtype, given.batch, Data(given.inputs),
                                 Data(given.weights), Data(upstream),
                                 kernel.need_inputs ? Data(gradients.inputs) : nullptr,
                                 Data(gradients.weights)));
}

void Sample(const Kernel& kernel, Run* run) {
  const Arguments given(kernel, run);
  const Tensor shots_tensor = run->Input(2, "shots", {});
  const Tensor seed = run->Input(3, "seed", {2});
  if (!run->ok()) return;
  const int64_t shots = *static_cast<const int64_t*>(Data(shots_tensor));
  if (shots < 0) {
    run->Invalid("Argument `shots` must be a whole number of at least 0.");
    return;
  }
  const Tensor bits = run->Output(0, kInt32, {given.batch, shots, kernel.sizes.n_qubits});
  if (!run->ok()) return;
  run->Check(core.sample(kernel.session, kernel.dtype, given.batch, Data(given.inputs),
                         Data(given.weights), shots, static_cast<const int64_t*>(Data(seed)),
                         static_cast<int32_t*>(Data(bits))));
}

// --- Registration

std::string TextAttribute(TfConstruction* construction, const char* name, const Status& status) {
  int32_t count = 0, length = 0;
  tf.attribute_size(construction, name, &count, &length, status.get());
  if (!status.ok()) return {};
  std::string text(static_cast<size_t>(length), '\0');
  tf.get_text(construction, name, text.data(), text.size(), status.get());
  return text;
}

// `flag` is the operation's attribute of type bool, or null.
void* MakeKernel(TfConstruction* construction, const char* flag, bool Kernel::*place) {
  auto kernel = std::make_unique<Kernel>();
  Status status;
  const std::string program = TextAttribute(construction, "program", status);
  const std::string lanes = status.ok() ? TextAttribute(construction, "lanes", status) : "";
  TfType type = kFloat;
  if (status.ok()) tf.get_type(construction, "T", &type, status.get());
  unsigned char value = 0;
  if (status.ok() && flag != nullptr) tf.get_bool(construction, flag, &value, status.get());
  if (status.ok()) {
    kernel->dtype = type == kDouble ? 1 : 0;
    if (flag != nullptr) (*kernel).*place = value != 0;
    kernel->session =
        core.open(program.data(), static_cast<int64_t>(program.size()), lanes.c_str());
    if (kernel->session == nullptr) status.Set(kInvalidArgument, core.error());
  }
  if (!status.ok()) {
    tf.fail_construction(construction, status.get());
    return nullptr;
  }
  core.get_sizes(kernel->session, &kernel->sizes);
  return kernel.release();
}

void DeleteKernel(void* kernel) { delete static_cast<Kernel*>(kernel); }

template <void (*compute)(const Kernel&, Run*)>
void Compute(void* kernel, TfContext* context) {
  Run run(context);
  compute(*static_cast<const Kernel*>(kernel), &run);
  run.Finish();
}

void* MakePlain(TfConstruction* c) { return MakeKernel(c, nullptr, nullptr); }
void* MakeKeeping(TfConstruction* c) { return MakeKernel(c, "keep", &Kernel::keep); }
void* MakeGradient(TfConstruction* c) { return MakeKernel(c, "need_inputs", &Kernel::need_inputs); }

// The interface has no way to ask for the attribute that holds the program, so Python sets the
// shapes that depend on it.
void UnknownShapes(TfShapes* shapes, TfStatus* status) { tf.unknown_shapes(shapes, status); }

struct Operation {
  const char* name;
  std::initializer_list<const char*> inputs, outputs, attributes;
  void* (*make)(TfConstruction*);
  void (*compute)(void*, TfContext*);
  bool complex;
};

// Names, inputs and attributes are part of models that users have exported, so they must not change.
// Graphs of version 0.1 have a gradient without `kept`.
const Operation kOperations[] = {
    {"QkerasHybridExpectation",
     {"inputs: T", "weights: T"},
     {"expectations: T", "measured: T", "kept: T"},
     {"keep: bool = false"},
     MakeKeeping,
     Compute<Expectation>,
     false},
    {"QkerasHybridExpectationGrad",
     {"inputs: T", "weights: T", "measured: T", "upstream: T", "kept: n_kept * T"},
     {"d_inputs: T", "d_weights: T"},
     {"n_kept: int >= 0 = 0", "need_inputs: bool = true"},
     MakeGradient,
     Compute<ExpectationGradient>,
     false},
    {"QkerasHybridState",
     {"inputs: T", "weights: T"},
     {"state: Tcomplex"},
     {},
     MakePlain,
     Compute<State>,
     true},
    {"QkerasHybridStateGrad",
     {"inputs: T", "weights: T", "upstream: Tcomplex"},
     {"d_inputs: T", "d_weights: T"},
     {"need_inputs: bool = true"},
     MakeGradient,
     Compute<StateGradient>,
     true},
    {"QkerasHybridSample",
     {"inputs: T", "weights: T", "shots: int64", "seed: int64"},
     {"bits: int32"},
     {},
     MakePlain,
     Compute<Sample>,
     false},
};

void Register(const Operation& operation, const Status& status) {
  TfOpDefinition* const definition = tf.new_op(operation.name);
  for (const char* input : operation.inputs) tf.add_input(definition, input);
  for (const char* output : operation.outputs) tf.add_output(definition, output);
  tf.add_attribute(definition, "T: {float, double}");
  if (operation.complex) tf.add_attribute(definition, "Tcomplex: {complex64, complex128}");
  tf.add_attribute(definition, "program: string");
  for (const char* attribute : operation.attributes) tf.add_attribute(definition, attribute);
  tf.add_attribute(definition, "lanes: {'auto', 'samples', 'amplitudes'} = 'auto'");
  tf.set_shapes(definition, UnknownShapes);
  tf.register_op(definition, status.get());
  for (const TfType type : {kFloat, kDouble}) {
    if (!status.ok()) return;
    TfKernelBuilder* const kernel = tf.new_kernel(operation.name, "CPU", operation.make,
                                                  operation.compute, DeleteKernel);
    tf.constrain_type(kernel, "T", type, status.get());
    if (operation.complex) {
      tf.constrain_type(kernel, "Tcomplex", type == kDouble ? kComplex128 : kComplex64,
                        status.get());
    }
    tf.register_kernel(operation.name, kernel, status.get());
  }
}

// TensorFlow records what is registered while it loads a library.
const bool kRegistered = [] {
  if (!FindTensorFlow() || !FindCore()) return false;
  const Status status;
  for (const Operation& operation : kOperations) {
    if (status.ok()) Register(operation, status);
  }
  return status.ok();
}();

}  // namespace

// Whether the operations are available. False if this version of TensorFlow lacks a function that is
// needed, or the core is not next to this library.
extern "C" QH_EXPORT int QhTensorFlowRegistered() { return kRegistered; }
