#include "session.h"

#include <algorithm>
#include <iterator>

#include "memory.h"
#include "philox.h"
#include "pool.h"
#include "process.h"

namespace qkeras_hybrid {
namespace {

// The cost of a sample with samples in all lanes, divided by its cost with amplitudes in the lanes:
// measured on AVX-512 with float32. The amplitudes of few qubits don't fill the lanes. From about 13
// qubits on, the states of a lane group no longer fit the caches, but that of one sample does.
double CostRatio(uint32_t n_qubits) {
  constexpr double kRatios[] = {0.2, 0.3, 0.6, 0.85, 0.9, 0.97};
  constexpr uint32_t kFirst = 7;
  if (n_qubits < kFirst) return kRatios[0];
  if (n_qubits >= kFirst + std::size(kRatios)) return 1.3;
  return kRatios[n_qubits - kFirst];
}

// Whether a batch runs faster with amplitudes in the lanes, given how much of it each thread gets.
bool AmplitudeLanesPay(uint32_t n_qubits, int64_t batch, int64_t lanes, int64_t threads) {
  const auto share = [](int64_t count, int64_t among) { return (count + among - 1) / among; };
  const double samples = static_cast<double>(share(share(batch, lanes), threads) * lanes);
  return samples * CostRatio(n_qubits) > static_cast<double>(share(batch, threads));
}

// The largest size of all states of a batch that are kept for the gradient. Computing them anew
// takes a quarter of a step, and users would notice more memory than this.
constexpr int64_t kMaxKeptBytes = int64_t{32} << 20;

constexpr const char* kNoStates = "A program on density matrices has no states.";

// The gradient on density matrices keeps the states before all tiles if they take less than this.
// Otherwise it keeps those that minimise the number of states held at once.
constexpr uint64_t kMostDensityStates = uint64_t{256} << 20;

// Below this size, the available memory is not checked.
constexpr uint64_t kSmallBytes = uint64_t{256} << 20;

// The most amplitudes held at once when samples are drawn.
constexpr int64_t kMostDrawnAmplitudes = int64_t{1} << 22;

void RunOnPool(void* pool, int64_t count, void (*body)(void*, int64_t), void* argument) {
  static_cast<ThreadPool*>(pool)->Run(count, body, argument);
}

template <class F>
void InParallel(int64_t count, F body) {
  PerProcess<ThreadPool>::Get().Run(
      count, [](void* argument, int64_t i) { (*static_cast<F*>(argument))(i); }, &body);
}

// Draws basis states from one state's cumulative probabilities, for which there is room at
// `cumulative`.
template <class T>
void Draw(const T* state, uint32_t n_qubits, int64_t shots, const int64_t seed[2],
          uint64_t position, double* cumulative, int32_t* bits) {
  const int64_t size = int64_t{1} << n_qubits;
  double* const end = cumulative + size;
  double sum = 0;
  for (int64_t k = 0; k < size; ++k) {
    const double re = state[2 * k], im = state[2 * k + 1];
    cumulative[k] = sum += re * re + im * im;
  }
  for (int64_t shot = 0; shot < shots; ++shot) {
    const double level = UnitInterval(Philox(seed, position + static_cast<uint64_t>(shot))) * sum;
    // Rounding may raise the level to the sum, where the last state of nonzero probability ends.
    const double* place = std::upper_bound(cumulative, end, level);
    if (place == end) place = std::lower_bound(cumulative, end, sum);
    const int64_t index = std::min<int64_t>(place - cumulative, size - 1);
    for (uint32_t q = 0; q < n_qubits; ++q) {
      *bits++ = static_cast<int32_t>(index >> (n_qubits - 1 - q) & 1);
    }
  }
}

}  // namespace

std::unique_ptr<const Session> Session::Open(std::string_view program, std::string_view lanes,
                                             std::string* error) {
  std::unique_ptr<Session> session(new Session());
  session->samples_ = lanes != "amplitudes";
  session->amplitudes_ = lanes != "samples";
  if (program.substr(0, 4) == kDensityMagic) {
    session->density_ = DensityPlan::Read(program, error);
    if (session->density_ != nullptr) {
      const DensityLayout& layout = session->density_->layout();
      session->sizes_ = {layout.n_qubits, layout.n_angles, 0, layout.n_measured, 0};
    }
  } else {
    session->plan_ = Plan::Read(program, error);
    if (session->plan_ != nullptr) {
      const Plan& plan = *session->plan_;
      session->sizes_ = {plan.n_qubits(), plan.n_inputs(), plan.n_weights(), plan.n_observables(),
                         plan.n_measured()};
    }
  }
  if (session->plan_ == nullptr && session->density_ == nullptr) {
    *error = "The serialized program is not valid: " + *error + ".";
    return nullptr;
  }
  session->set_ = ActiveInstructionSet(error);
  if (session->set_ == nullptr) return nullptr;
  return session;
}

// A state of less than a vector's amplitudes is never laid out along the lanes.
template <class T>
bool Session::MayBe(bool amplitudes) const {
  const bool fills = plan_->n_qubits() >= LaneBits<T>();
  return amplitudes ? amplitudes_ && fills : samples_ || !fills;
}

template <class T>
const Layout& Session::LayoutFor(bool amplitudes) const {
  return plan_->ForLanes(amplitudes ? LaneBits<T>() : 0, LaneBits<T>());
}

template <class T>
const Layout& Session::BestLayout(int64_t batch) const {
  const bool pays = AmplitudeLanesPay(plan_->n_qubits(), batch, int64_t{1} << LaneBits<T>(),
                                      ThreadPool::Threads());
  return LayoutFor<T>(MayBe<T>(true) && (pays || !MayBe<T>(false)));
}

template <class T>
void Session::KeptShape(int64_t batch, int64_t* places, int64_t* numbers) const {
  *places = *numbers = 0;
  if (batch <= 0 || density_ != nullptr || sizes_.n_observables == 0) return;
  const Layout& layout = BestLayout<T>(batch);
  const int64_t most = kMaxKeptBytes / static_cast<int64_t>(sizeof(T));
  const int64_t p = kernels<T>().kept_places(layout, batch);
  const int64_t n = kernels<T>().kept_numbers(layout);
  if (n > most / p) return;
  *places = p;
  *numbers = n;
}

template <class T>
Request<T> Session::Start(int64_t batch, const T* inputs, const T* weights) const {
  Request<T> request{};
  request.layout = &BestLayout<T>(batch);
  request.pool = {&PerProcess<ThreadPool>::Get(), ThreadPool::Threads(), RunOnPool};
  request.arena = {
      &PerProcess<MemoryPool>::Get(),
      [](void* pool, uint64_t bytes) { return static_cast<MemoryPool*>(pool)->Take(bytes); },
      [](void* pool, void* memory) { static_cast<MemoryPool*>(pool)->Give(memory); }};
  request.batch = batch;
  request.inputs = inputs;
  request.weights = weights;
  return request;
}

// The layout that kept states of this shape were made with, or null.
template <class T>
const Layout* Session::LayoutOfKept(int64_t batch, int64_t places, int64_t numbers) const {
  for (const bool amplitudes : {false, true}) {
    if (!MayBe<T>(amplitudes)) continue;
    const Layout& layout = LayoutFor<T>(amplitudes);
    if (places == kernels<T>().kept_places(layout, batch) &&
        numbers == kernels<T>().kept_numbers(layout)) {
      return &layout;
    }
  }
  return nullptr;
}

template <class T>
bool Session::KeptFits(int64_t batch, int64_t places, int64_t numbers) const {
  return density_ == nullptr && LayoutOfKept<T>(batch, places, numbers) != nullptr;
}

template <class T>
Result Session::TakeLayoutOf(int64_t places, int64_t numbers, Request<T>* request) const {
  const Layout* const layout = LayoutOfKept<T>(request->batch, places, numbers);
  if (layout == nullptr) {
    return {Code::kInvalidArgument,
            "Argument `kept` must be what the expectation of this batch kept, but has shape [" +
                std::to_string(places) + "," + std::to_string(numbers) + "]."};
  }
  request->layout = layout;
  return {};
}

template <class T>
Result Session::Run(Request<T> request) const {
  const Kernels<T>& run = kernels<T>();
  const bool backward = request.d_weights != nullptr;
  const uint64_t task = run.task_bytes(*request.layout, backward);
  const uint64_t shared = run.shared_bytes(*request.layout, request.batch);
  const auto tasks = static_cast<uint64_t>(
      std::max<int64_t>(1, std::min<int64_t>(request.pool.threads, request.batch)));
  const uint64_t bytes = shared + task;
  if (shared + tasks * task > kSmallBytes) {
    const uint64_t available = AvailableMemory();
    if (bytes > available) {
      return {Code::kResourceExhausted,
              "A program of " + std::to_string(plan_->n_qubits()) + " qubits needs " +
                  std::to_string(bytes) + " bytes of memory for one sample at a time, and " +
                  std::to_string(available) + " are available."};
    }
    // Fewer samples at a time, if the memory is not enough for one on each thread.
    request.max_tasks = static_cast<int64_t>(std::min(tasks, (available - shared) / task));
  }
  if (run.run(request) == Status::kOutOfMemory) {
    return {Code::kResourceExhausted,
            "There is no memory left for " + std::to_string(bytes) +
                " bytes, which a program of " + std::to_string(plan_->n_qubits()) +
                " qubits needs."};
  }
  return {};
}

// Forward with `values`, otherwise backward.
template <class T>
Result Session::RunDensity(int64_t batch, const T* angles, T* values, const T* upstream,
                           T* d_angles) const {
  const DensityLayout& layout = density_->layout();
  const DensityKernels<T>& run = KernelsOf<T>(*set_).densities;
  DensityRequest<T> request{};
  request.layout = &layout;
  request.pool = {&PerProcess<ThreadPool>::Get(), ThreadPool::Threads(), RunOnPool};
  request.arena = {
      &PerProcess<MemoryPool>::Get(),
      [](void* pool, uint64_t bytes) { return static_cast<MemoryPool*>(pool)->Take(bytes); },
      [](void* pool, void* memory) { static_cast<MemoryPool*>(pool)->Give(memory); }};
  request.batch = batch;
  request.angles = angles;
  request.values = values;
  request.upstream = upstream;
  request.d_angles = d_angles;
  const bool backward = d_angles != nullptr;
  const int threads = request.pool.threads;
  request.checkpoint = 1;
  if (backward && run.task_bytes(layout, true, 1, threads) > kMostDensityStates) {
    // With t tiles in segments of c, t / c + c states are held at once: fewest for c = sqrt(t).
    while (request.checkpoint * request.checkpoint < layout.n_tiles) ++request.checkpoint;
  }
  const uint64_t bytes = run.task_bytes(layout, backward, request.checkpoint, threads);
  const int64_t groups = (batch + run.lanes - 1) / run.lanes;
  const auto tasks = static_cast<uint64_t>(std::min<int64_t>(groups, threads));
  if (tasks * bytes > kSmallBytes) {
    const uint64_t available = AvailableMemory();
    if (bytes > available) {
      return {Code::kResourceExhausted,
              "A density matrix of " + std::to_string(layout.n_qubits) + " qubits needs " +
                  std::to_string(bytes) + " bytes of memory for " + std::to_string(run.lanes) +
                  " samples at a time, and " + std::to_string(available) + " are available."};
    }
    request.max_tasks = static_cast<int64_t>(std::min(tasks, available / bytes));
  }
  if (run.run(request) == Status::kOutOfMemory) {
    return {Code::kResourceExhausted, "There is no memory left for " + std::to_string(bytes) +
                                          " bytes, which a density matrix of " +
                                          std::to_string(layout.n_qubits) + " qubits needs."};
  }
  return {};
}

template <class T>
Result Session::Expectation(int64_t batch, const T* inputs, const T* weights, T* expectations,
                            T* measured, Kept<T> kept) const {
  if (batch == 0 || sizes_.n_observables == 0) return {};
  if (density_ != nullptr) return RunDensity<T>(batch, inputs, expectations, nullptr, nullptr);
  Request<T> request = Start(batch, inputs, weights);
  if (kept.data != nullptr) {
    const Result result = TakeLayoutOf(kept.places, kept.numbers, &request);
    if (!result.ok()) return result;
    request.kept = kept.data;
  }
  request.expectations = expectations;
  request.measured = measured;
  return Run(request);
}

template <class T>
Result Session::ExpectationGradient(int64_t batch, const T* inputs, const T* weights,
                                    const T* measured, const T* upstream, Kept<const T> kept,
                                    T* d_inputs, T* d_weights) const {
  if (density_ != nullptr) {
    if (d_inputs == nullptr) return {};
    if (batch == 0 || sizes_.n_inputs == 0 || sizes_.n_observables == 0) {
      std::fill_n(d_inputs, batch * sizes_.n_inputs, T{0});
      return {};
    }
    return RunDensity<T>(batch, inputs, nullptr, upstream, d_inputs);
  }
  Request<T> request = Start(batch, inputs, weights);
  if (kept.data != nullptr) {
    const Result result = TakeLayoutOf(kept.places, kept.numbers, &request);
    if (!result.ok()) return result;
    request.given_kept = kept.data;
  }
  const bool empty = batch == 0 || plan_->n_observables() == 0;
  request.given_measured = measured;
  request.upstream = upstream;
  return Backward(request, empty, d_inputs, d_weights);
}

template <class T>
Result Session::State(int64_t batch, const T* inputs, const T* weights, T* state) const {
  if (density_ != nullptr) return {Code::kInvalidArgument, kNoStates};
  if (batch == 0) return {};
  Request<T> request = Start(batch, inputs, weights);
  request.state = state;
  return Run(request);
}

template <class T>
Result Session::StateGradient(int64_t batch, const T* inputs, const T* weights, const T* upstream,
                              T* d_inputs, T* d_weights) const {
  if (density_ != nullptr) return {Code::kInvalidArgument, kNoStates};
  Request<T> request = Start(batch, inputs, weights);
  request.state_upstream = upstream;
  return Backward(request, batch == 0, d_inputs, d_weights);
}

// Zero without work to do, otherwise the result of the kernels.
template <class T>
Result Session::Backward(Request<T> request, bool empty, T* d_inputs, T* d_weights) const {
  const int64_t n_inputs = d_inputs == nullptr ? 0 : request.batch * plan_->n_inputs();
  if (empty || (n_inputs == 0 && plan_->n_weights() == 0)) {
    std::fill_n(d_inputs, n_inputs, T{0});
    std::fill_n(d_weights, plan_->n_weights(), T{0});
    return {};
  }
  // If it is not null, the request is one for gradients.
  T none;
  request.d_inputs = d_inputs;
  request.d_weights = plan_->n_weights() == 0 ? &none : d_weights;
  return Run(request);
}

template <class T>
Result Session::Sample(int64_t batch, const T* inputs, const T* weights, int64_t shots,
                       const int64_t seed[2], int32_t* bits) const {
  if (density_ != nullptr) return {Code::kInvalidArgument, kNoStates};
  if (batch == 0 || shots == 0 || plan_->n_qubits() == 0) return {};
  const uint32_t n = plan_->n_qubits();
  const int64_t size = int64_t{1} << n;
  // Some samples at a time: many small states, or one large state on all threads.
  const int64_t slice = std::min(batch, std::max<int64_t>(1, kMostDrawnAmplitudes / size));
  MemoryPool& memory = PerProcess<MemoryPool>::Get();
  const int64_t amplitudes = slice * size;
  const uint64_t bytes = static_cast<uint64_t>(amplitudes) * (2 * sizeof(T) + sizeof(double));
  auto* const cumulative = static_cast<double*>(memory.Take(bytes));
  if (cumulative == nullptr) {
    return {Code::kResourceExhausted, "There is no memory left for the " + std::to_string(bytes) +
                                          " bytes of the states that samples are drawn from."};
  }
  auto* const states = reinterpret_cast<T*>(cumulative + amplitudes);
  Result result;
  for (int64_t first = 0; first < batch && result.ok(); first += slice) {
    const int64_t count = std::min(slice, batch - first);
    result = State(count, inputs + first * plan_->n_inputs(), weights, states);
    if (!result.ok()) break;
    InParallel(count, [&](int64_t i) {
      const int64_t position = (first + i) * shots;
      Draw(states + i * 2 * size, n, shots, seed, static_cast<uint64_t>(position),
           cumulative + i * size, bits + position * n);
    });
  }
  memory.Give(cumulative);
  return result;
}

#define QH_INSTANTIATE(T)                                                                         \
  template void Session::KeptShape<T>(int64_t, int64_t*, int64_t*) const;                         \
  template bool Session::KeptFits<T>(int64_t, int64_t, int64_t) const;                            \
  template Result Session::Expectation<T>(int64_t, const T*, const T*, T*, T*, Kept<T>) const;    \
  template Result Session::ExpectationGradient<T>(int64_t, const T*, const T*, const T*,          \
                                                  const T*, Kept<const T>, T*, T*) const;         \
  template Result Session::State<T>(int64_t, const T*, const T*, T*) const;                       \
  template Result Session::StateGradient<T>(int64_t, const T*, const T*, const T*, T*, T*) const; \
  template Result Session::Sample<T>(int64_t, const T*, const T*, int64_t, const int64_t[2],      \
                                     int32_t*) const
QH_INSTANTIATE(float);
QH_INSTANTIATE(double);
#undef QH_INSTANTIATE

}  // namespace qkeras_hybrid
