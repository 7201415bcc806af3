// Runs a laid-out program over a batch, forward and backward.
//
// With kLaneBits 0 the lanes of a vector are samples and a task runs a lane group at once; with
// the full number of lane bits they are amplitudes and a task runs its samples one by one.
//
// The class is declared here. The headers named in its section comments define its methods.
#ifndef QKERAS_HYBRID_NATIVE_RUNNER_H_
#define QKERAS_HYBRID_NATIVE_RUNNER_H_

#include "passes.h"
#include "simd.h"
#include "view.h"
#include "workspace.h"

namespace {

using qkeras_hybrid::Block;
using qkeras_hybrid::Dense;
using qkeras_hybrid::Entry;
using qkeras_hybrid::Layout;
using qkeras_hybrid::Request;
using qkeras_hybrid::Row;
using qkeras_hybrid::Status;

// A state with fewer vectors than this does not profit from more than one thread.
constexpr int64_t kMinSplitVectors = 2048;
// Below about this many vector operations (some 80 microseconds with AVX2), a second thread costs
// more than it gains: waking it up takes 50 microseconds, and more if other programs run.
constexpr double kMinThreadedWork = 4e5;
constexpr double kTurn = 6.283185307179586;
constexpr int kMaxChunk = 64;  // vectors; 2^levels of a tree at most

inline bool IsFinite(double x) { return x - x == 0; }

// out = (a_re + i a_im) * (b_re + i b_im).
template <class V>
inline void Multiply(V a_re, V a_im, V b_re, V b_im, V* out) {
  const V re = a_re * b_re - a_im * b_im;
  out[1] = a_re * b_im + a_im * b_re;
  out[0] = re;
}

template <class T, int kLaneBits>
class Runner {
  using Space = Workspace<T, kLaneBits>;
  using V = Vec<T>;
  using U = UintVec<T>;
  using Uint = typename Simd<T>::Uint;
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr bool kSampleLanes = kLaneBits == 0;
  static constexpr int kTableBits = Log2(kLanes);

 public:
  static Status Run(const Request<T>& request) {
    Runner runner(request);
    return runner.RunBatch();
  }

 private:
  explicit Runner(const Request<T>& request)
      : request_(request),
        layout_(*request.layout),
        backward_(request.d_weights != nullptr || request.d_inputs != nullptr),
        n_vectors_(Space::Vectors(*request.layout)),
        low_bits_(Space::LowBits(*request.layout)),
        high_bits_(Space::HighBits(*request.layout)),
        max_terms_(static_cast<int64_t>(Space::MaxTerms(*request.layout))) {}

  Status RunBatch();
  void SumWeights(int64_t groups);

  // --- Threads

  template <class F>
  static void CallBody(void* body, int64_t i) {
    (*static_cast<F*>(body))(i);
  }

  template <class F>
  void Parallel(int64_t count, F body) const {
    request_.pool.run(request_.pool.handle, count, CallBody<F>, &body);
  }

  // Calls body(begin, end, part) for parts of [0, count): one, or kParts on all threads.
  template <class F>
  void ForParts(int64_t count, F body) const {
    if (!split_ || count < kParts) {
      body(int64_t{0}, count, 0);
      return;
    }
    Parallel(kParts, [&](int64_t part) {
      body(count * part / kParts, count * (part + 1) / kParts, static_cast<int>(part));
    });
  }
  int Parts(int64_t count) const { return split_ && count >= kParts ? kParts : 1; }

  // --- prepare.h

  void Prepare();
  static void SetTangents(V c, V s, const V* signs, V* tangents);
  void MakeTable(uint32_t s);

  // --- groups.h

  void RunGroup(int64_t group);
  void GroupAngles(int64_t first, int count);
  static void LoadColumns(const T* from, uint32_t n, int count, V* columns);
  static void StoreColumns(const V* columns, uint32_t n, int count, T* to);
  V EntryFactor(const Entry& entry, bool derivative) const;
  void StoreExpectations(int64_t first, int count);
  void WeighMeasured(int64_t first, int count);
  void StoreGradients(int64_t group, int64_t first, int count);
  void ChainGradient();

  // Cosine and sine of half an angle, samples in the lanes.
  V RowCos(uint32_t row) const {
    return layout_.rows[row].n_inputs ? task_.row_cos[row] : shared_.row_cos[row];
  }
  V RowSin(uint32_t row) const {
    return layout_.rows[row].n_inputs ? task_.row_sin[row] : shared_.row_sin[row];
  }

  // The value that a vector with samples in the lanes has for the running sample.
  V OfSample(V v) const {
    if (kSampleLanes) return v;
    return Splat<T>(v[sample_]);
  }

  // Adds the running sample's `sum` to a vector with samples in the lanes.
  void AddToSample(V* to, V sum, V scale) const {
    if (kSampleLanes) {
      *to = *to + sum * scale;
    } else {
      (*to)[sample_] += SumLanes<T>(sum) * scale[0];
    }
  }

  // --- samples.h

  void RunSample(int64_t first, int count);
  void Forward();
  void Backward(int64_t first, int count);
  bool Needed(bool by_weights, bool by_inputs) const {
    return by_weights || (by_inputs && request_.d_inputs != nullptr);
  }
  bool ChainNeeded() const {
    return Needed(layout_.chain_needed_by_weights, layout_.chain_needed_by_inputs);
  }

  // --- rotations.h

  static bool AnyBelow(V v, double bound);
  void Rescale(V* state, V* scale) const;
  V PreparePass(const Block& block, Pass<T>* pass, V* cosines);
  V PrepareHalf(const Block& block, uint32_t j, Block* single, Pass<T>* pass);
  void RotateBlock(const Block& block);
  void Rotate(const Pass<T>& pass);
  V* Back(const Pass<T>& pass);
  void BackBlock(const Block& block);
  int64_t PassSize(const Block& block) const {
    return block.lanes ? n_vectors_ : n_vectors_ >> block.count;
  }

  // --- phases.h, dense.h

  template <class F>
  void ForFactors(uint32_t s, int64_t chunk, int part, F body) const;
  void SampleTurns(uint32_t s);
  void ApplyPhases(uint32_t s);
  void BackPhases(uint32_t s, bool psi_needed);
  void MakeDense(const Dense& dense);
  void ApplyDense(const Dense& dense, bool inverse, V* state) const;

  // --- observables.h

  void Measure();
  void StartLambda();

  // --- states.h

  uint64_t BasisState(uint64_t index) const;
  template <class F>
  void ForAmplitudes(int count, F body) const;
  void StoreState(int64_t first, int count) const;
  void LoadLambda(int64_t first, int count);
  void StoreKept(int64_t first) const;
  void LoadKept(int64_t first);
  // Where the state of the sample (or lane group) that starts at `first` is kept.
  int64_t KeptPlace(int64_t first) const {
    return (kSampleLanes ? first / kLanes : first) * Space::KeptNumbers(layout_);
  }

  // --- product.h

  // Stage j of `stages`, at 2 (2^j - 1), is the product over the first j of `bits`.
  static V* ProductStage(V* stages, int j) { return stages + 2 * ((int64_t{1} << j) - 1); }
  static void GrowProduct(const V* bits, int count, V* stages);
  void LaneProduct(int without, V* product) const;
  void StartFactors();
  void StartProduct(bool with_phases);
  void ProductGradient();
  void StoreEnvironment(int bit, V re0, V im0, V re1, V im1);
  void Contract(V* sum, int count, int first_bit, V* stages);

  // --- Sums of the parts

  // Calls a pass that sums on runs of a range. Many float32 numbers that are added one by one lose
  // digits with their number; sums of runs do not.
  template <class F>
  static void InRuns(int64_t begin, int64_t end, F&& pass) {
    constexpr int64_t kRun = 1024;
    for (int64_t at = begin; at < end; at += kRun) pass(at, at + kRun < end ? at + kRun : end);
  }

  // Clears and returns the sums of a part.
  V* ClearSums(int part, uint32_t count) const {
    V* sums = task_.sums + part * max_terms_;
    for (uint32_t i = 0; i < count; ++i) sums[i] = V{};
    return sums;
  }
  // Adds the parts' sums, in their order, to the first's.
  V* JoinSums(int parts, uint32_t count) const {
    for (int part = 1; part < parts; ++part) {
      const V* sums = task_.sums + part * max_terms_;
      for (uint32_t i = 0; i < count; ++i) task_.sums[i] = task_.sums[i] + sums[i];
    }
    return task_.sums;
  }

  V* ChunkMemory(int part) const {
    return task_.chunk + (int64_t{2 * part} << layout_.measured_tree.levels);
  }
  V* LeafMemory(int part) const {
    return task_.leaves + part * max_terms_;
  }

  const Request<T> request_;
  const Layout& layout_;
  const bool backward_;
  const int64_t n_vectors_;
  const int low_bits_, high_bits_;
  const int64_t max_terms_;
  bool split_ = false;
  int sample_ = 0;  // the running sample's place in its group
  V psi_scale_, lambda_scale_;
  Shared<T> shared_;
  Task<T> task_;
};

template <class T, int kLaneBits>
Status Runner<T, kLaneBits>::RunBatch() {
  const int64_t groups = Space::Groups(request_.batch);
  void* shared_memory = request_.arena.take(request_.arena.handle,
                                            Space::SharedBytes(layout_, request_.batch));
  if (shared_memory == nullptr) return Status::kOutOfMemory;
  Bump bump{reinterpret_cast<uintptr_t>(shared_memory)};
  Space::LayShared(layout_, groups, true, &bump, &shared_);

  const int64_t threads = request_.pool.threads;
  const double work = static_cast<double>(request_.batch) / (kSampleLanes ? kLanes : 1) *
                      static_cast<double>(n_vectors_) * (12.0 + 8.0 * layout_.n_qubits) *
                      (!backward_ ? 1 : request_.given_kept != nullptr ? 2 : 3);
  const int64_t rounds = (request_.batch + threads - 1) / threads;
  // Threads share a state if there are too few samples to keep all of them busy.
  split_ = !kSampleLanes && threads > 1 && n_vectors_ >= kMinSplitVectors &&
           (request_.batch < threads || 4 * rounds * threads > 5 * request_.batch);
  int64_t tasks = split_ || work < kMinThreadedWork ? 1 : Min(threads, groups);
  if (request_.max_tasks > 0) tasks = Min(tasks, request_.max_tasks);
  if (tasks < 1) tasks = 1;
  Prepare();

  Status status = Status::kOk;
  int64_t next_group = 0;
  auto claim = [&next_group] { return __atomic_fetch_add(&next_group, 1, __ATOMIC_RELAXED); };
  // A task that starts late finds nothing left to do.
  auto run_task = [&](int64_t) {
    int64_t group = claim();
    if (group >= groups) return;
    void* memory = request_.arena.take(request_.arena.handle, Space::TaskBytes(layout_, backward_));
    if (memory == nullptr) {
      __atomic_store_n(reinterpret_cast<int*>(&status), static_cast<int>(Status::kOutOfMemory),
                       __ATOMIC_RELAXED);
      return;
    }
    Runner runner(*this);
    Bump task_bump{reinterpret_cast<uintptr_t>(memory)};
    Space::LayTask(layout_, backward_, &task_bump, &runner.task_);
    for (; group < groups; group = claim()) runner.RunGroup(group);
    request_.arena.give(request_.arena.handle, memory);
  };
  if (tasks == 1) {
    run_task(0);
  } else {
    Parallel(tasks, run_task);
  }
  if (backward_ && status == Status::kOk) SumWeights(groups);
  request_.arena.give(request_.arena.handle, shared_memory);
  return status;
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::SumWeights(int64_t groups) {
  // theta is no longer needed and serves as the sum over groups, in their order.
  for (uint32_t r = 0; r < layout_.n_rows; ++r) shared_.theta[r] = 0;
  for (int64_t g = 0; g < groups; ++g) {
    const double* partial = shared_.partial + g * layout_.n_rows;
    for (uint32_t r = 0; r < layout_.n_rows; ++r) shared_.theta[r] += partial[r];
  }
  for (uint32_t w = 0; w < layout_.n_weights; ++w) request_.d_weights[w] = 0;
  for (uint32_t r = 0; r < layout_.n_rows; ++r) {
    const Row& row = layout_.rows[r];
    for (uint32_t i = row.n_inputs; i < row.n_inputs + row.n_weights; ++i) {
      request_.d_weights[row.summands[i].index] +=
          static_cast<T>(row.summands[i].coefficient * shared_.theta[r]);
    }
  }
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_RUNNER_H_
