// Runs a laid-out program over a batch, forward and backward.
//
// With kLaneBits 0 the lanes of a vector are samples and a task runs a lane group at once; with
// the full number of lane bits they are amplitudes and a task runs its samples one by one.
//
// Rotations are applied without their factor cos(angle/2), which saves half the multiplications:
// the vector that is stored is the true one divided by a scale that is carried along, and is
// multiplied by it before it could leave the range of the floating type.
#ifndef QKERAS_HYBRID_NATIVE_RUNNER_H_
#define QKERAS_HYBRID_NATIVE_RUNNER_H_

#include "passes.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::ChainGate;
using qkeras_hybrid::Dense;
using qkeras_hybrid::Entry;
using qkeras_hybrid::Gate;
using qkeras_hybrid::kNoRow;
using qkeras_hybrid::Layout;
using qkeras_hybrid::Request;
using qkeras_hybrid::Row;
using qkeras_hybrid::Stage;
using qkeras_hybrid::StageKind;
using qkeras_hybrid::Status;
using qkeras_hybrid::Tree;
using qkeras_hybrid::TreeNode;
using qkeras_hybrid::TreeTerm;

// Parts that one pass over a large state is split into when all threads work on one sample.
constexpr int kParts = 16;
// Phase tables are made by this many jobs if they are large.
constexpr int kTableJobs = 8;
// With fewer vectors than this a state is not worth more than one thread.
constexpr int64_t kMinSplitVectors = 2048;
// A batch is run by this many tasks or more, whatever the threads: sums don't depend on them.
constexpr int64_t kMinGroups = 16;
// Below about this many vector operations (some 25 microseconds) a second thread costs more than
// it brings.
constexpr double kMinThreadedWork = 2e5;
// Phase tables that all samples share are kept up to this size, and made again at each use above.
constexpr uint64_t kMaxTableBytes = uint64_t{64} << 20;
// A vector's scale stays above the first; a block whose own factor falls below the second (it has
// an angle close to pi) is applied gate by gate, each as twice its half angle.
constexpr double kSmallestScale = 0x1p-30, kSmallestBlockScale = 0x1p-12;
constexpr double kTurn = 6.283185307179586;
constexpr int kMaxChunk = 64;  // vectors; 2^levels of a tree at most

// Hands out parts of one piece of memory; starting at address 0 it only measures.
struct Bump {
  uintptr_t at;
  template <class P>
  P* Take(uint64_t count) {
    at = (at + 63) & ~uintptr_t{63};
    P* result = reinterpret_cast<P*>(at);
    at += count * sizeof(P);
    return result;
  }
};

inline bool IsFinite(double x) { return x - x == 0; }
inline uint64_t Max(uint64_t a, uint64_t b) { return a > b ? a : b; }
inline int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }

// What all samples share, made once a call.
template <class T>
struct Shared {
  double* theta;      // [rows] the part of each angle that no input takes part in
  Vec<T>* row_cos;    // [rows] of half the angle, for rows without inputs
  Vec<T>* row_sin;
  Vec<T>* signs;      // [slots][2] with the lanes' signs
  Vec<T>* tangents;   // [slots][2]
  UintVec<T>* masks;  // [lanes] all ones in the lanes whose number has odd parity with the index
  typename Simd<T>::Uint** turns;  // [stages] of each phase term
  T** tables;         // [stages] factors that no input takes part in, or null
  Vec<T>* dense;      // [dense gates][2: inverse][8][8][2]
  UintVec<T>* leaves; // [table jobs][terms]
  double* partial;    // [groups][rows] gradients summed over a group's samples
  double poison;      // 0, or NaN if a weight is not finite
};

// What one task works on.
template <class T>
struct Task {
  Vec<T>* psi;
  Vec<T>* lambda;
  Vec<T>* poison;          // [1] 0, or NaN in the lanes of samples with an input not finite
  double* row_theta;       // [rows][lanes]
  Vec<T>* row_cos;         // [rows] of half the angle; lanes are samples
  Vec<T>* row_sin;
  Vec<T>* row_gradient;    // [rows] lanes are samples
  Vec<T>* columns;         // [bits][4] the product start; lanes are samples
  Vec<T>* environment;     // [bits][4] its gradient
  Vec<T>* bits;            // [bits][4] the columns as the running sample sees them
  Vec<T>* tangents;        // [slots][2] of gates that inputs take part in
  Vec<T>* spare;           // [2] of a gate at half its angle
  UintVec<T>* turns;       // [terms]
  Vec<T>* leaves;          // [parts][terms]
  Vec<T>* chunk;           // [parts][2][chunk]
  Vec<T>* low;             // the product start over the low half of the entry's bits, as it grows
  Vec<T>* high;
  Vec<T>* low_sum;         // [parts][2^low][2] gradients of these
  Vec<T>* high_sum;        // [2^high][2]
  Vec<T>* sums;            // [parts][terms]
  Vec<T>* values;          // [measured] lanes are samples
  Vec<T>* term_values;     // [terms]
};

// Flips the sign in the lanes of `mask`.
inline Vec<float> Negate(Vec<float> v, UintVec<float> mask) {
  return (Vec<float>)((UintVec<float>)v ^ (mask & 0x80000000u));
}
inline Vec<double> Negate(Vec<double> v, UintVec<double> mask) {
  return (Vec<double>)((UintVec<double>)v ^ (mask & uint64_t{1} << 63));
}
inline UintVec<float> Negate(UintVec<float> v, UintVec<float> mask) { return (v ^ mask) - mask; }
inline UintVec<double> Negate(UintVec<double> v, UintVec<double> mask) { return (v ^ mask) - mask; }

// out[k] = sum over the node's leaves of leaf * (-1)^parity(mask & k), for 2^level entries.
template <class E>
void Unfold(const Tree& tree, int32_t index, uint32_t level, const E* leaves, E* out) {
  const TreeNode& node = tree.nodes[index];
  const int64_t size = int64_t{1} << level, half = size / 2;
  if (node.zero < 0 && node.one < 0) {
    E value = leaves[node.leaf_begin];
    for (uint32_t i = node.leaf_begin + 1; i < node.leaf_end; ++i) value = value + leaves[i];
    for (int64_t k = 0; k < size; ++k) out[k] = value;
    return;
  }
  E *lower = out, *upper = out + half;
  if (node.one < 0) {
    Unfold(tree, node.zero, level - 1, leaves, lower);
    for (int64_t k = 0; k < half; ++k) upper[k] = lower[k];
  } else if (node.zero < 0) {
    Unfold(tree, node.one, level - 1, leaves, lower);
    for (int64_t k = 0; k < half; ++k) upper[k] = -lower[k];
  } else {
    Unfold(tree, node.zero, level - 1, leaves, lower);
    Unfold(tree, node.one, level - 1, leaves, upper);
    for (int64_t k = 0; k < half; ++k) {
      const E a = lower[k], b = upper[k];
      lower[k] = a + b;
      upper[k] = a - b;
    }
  }
}

// The transpose: leaf = sum over k of values[k] * (-1)^parity(mask & k). Overwrites the values.
template <class V>
void Fold(const Tree& tree, int32_t index, uint32_t level, V* values, V* leaves) {
  const TreeNode& node = tree.nodes[index];
  const int64_t size = int64_t{1} << level, half = size / 2;
  if (node.zero < 0 && node.one < 0) {
    V sum = values[0];
    for (int64_t k = 1; k < size; ++k) sum = sum + values[k];
    for (uint32_t i = node.leaf_begin; i < node.leaf_end; ++i) leaves[i] = sum;
    return;
  }
  V *lower = values, *upper = values + half;
  if (node.one < 0) {
    for (int64_t k = 0; k < half; ++k) lower[k] = lower[k] + upper[k];
    Fold(tree, node.zero, level - 1, lower, leaves);
  } else if (node.zero < 0) {
    for (int64_t k = 0; k < half; ++k) lower[k] = lower[k] - upper[k];
    Fold(tree, node.one, level - 1, lower, leaves);
  } else {
    for (int64_t k = 0; k < half; ++k) {
      const V a = lower[k], b = upper[k];
      lower[k] = a + b;
      upper[k] = a - b;
    }
    Fold(tree, node.zero, level - 1, lower, leaves);
    Fold(tree, node.one, level - 1, upper, leaves);
  }
}

// Applies cos - i sin P (P = X, Y, Z for 0, 1, 2) to a column (re0, im0, re1, im1).
template <class V>
inline void TurnColumn(uint32_t pauli, V c, V s, V* v) {
  const V re0 = v[0], im0 = v[1], re1 = v[2], im1 = v[3];
  if (pauli == 0) {
    v[0] = c * re0 + s * im1;
    v[1] = c * im0 - s * re1;
    v[2] = c * re1 + s * im0;
    v[3] = c * im1 - s * re0;
  } else if (pauli == 1) {
    v[0] = c * re0 - s * re1;
    v[1] = c * im0 - s * im1;
    v[2] = c * re1 + s * re0;
    v[3] = c * im1 + s * im0;
  } else {
    v[0] = c * re0 + s * im0;
    v[1] = c * im0 - s * re0;
    v[2] = c * re1 - s * im1;
    v[3] = c * im1 + s * re1;
  }
}

// out = (a_re + i a_im) * (b_re + i b_im).
template <class V>
inline void Multiply(V a_re, V a_im, V b_re, V b_im, V* out) {
  const V re = a_re * b_re - a_im * b_im;
  out[1] = a_re * b_im + a_im * b_re;
  out[0] = re;
}

template <class T, int kLaneBits>
class Runner {
  using V = Vec<T>;
  using U = UintVec<T>;
  using Uint = typename Simd<T>::Uint;
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr bool kSampleLanes = kLaneBits == 0;
  static constexpr int kTableBits = Log2(kLanes);

 public:
  static uint64_t TaskBytes(const Layout& layout, bool backward) {
    Bump bump{0};
    Task<T> task;
    LayTask(layout, backward, &bump, &task);
    return bump.at + 64;
  }

  static uint64_t SharedBytes(const Layout& layout, int64_t batch) {
    Bump bump{0};
    Shared<T> shared;
    LayShared(layout, Groups(batch), false, &bump, &shared);
    return bump.at + 64;
  }

  static Status Run(const Request<T>& request) {
    Runner runner(request);
    return runner.RunBatch();
  }

 private:
  explicit Runner(const Request<T>& request)
      : request_(request),
        layout_(*request.layout),
        backward_(request.d_weights != nullptr || request.d_inputs != nullptr),
        n_vectors_(Vectors(*request.layout)),
        low_bits_(LowBits(*request.layout)),
        high_bits_(HighBits(*request.layout)) {}

  // --- Memory ---------------------------------------------------------------------------------

  static int64_t Vectors(const Layout& layout) {
    return int64_t{1} << (layout.n_qubits - kLaneBits);
  }
  static int LowBits(const Layout& layout) {
    return (static_cast<int>(layout.n_qubits) - kLaneBits) / 2;
  }
  static int HighBits(const Layout& layout) {
    return static_cast<int>(layout.n_qubits) - kLaneBits - LowBits(layout);
  }

  static int64_t GroupSize(int64_t batch) {
    if (kSampleLanes) return kLanes;
    const int64_t size = (batch + kMinGroups - 1) / kMinGroups;
    return size < 1 ? 1 : Min(size, kLanes);
  }
  static int64_t Groups(int64_t batch) {
    return (batch + GroupSize(batch) - 1) / GroupSize(batch);
  }

  static uint64_t MaxTerms(const Layout& layout) {
    uint64_t terms = layout.measured_tree.n_terms;
    for (uint32_t s = 0; s < layout.n_stages; ++s) {
      if (layout.stages[s].kind == StageKind::kPhases) {
        terms = Max(terms, layout.stages[s].tree.n_terms);
      }
    }
    return Max(terms, qkeras_hybrid::kMaxBlockGates);
  }

  static void LayTask(const Layout& layout, bool backward, Bump* bump, Task<T>* task) {
    const uint64_t vectors = Vectors(layout), terms = MaxTerms(layout), n = layout.n_qubits;
    const uint64_t chunk = Max(uint64_t{1} << layout.measured_tree.levels, 1);
    task->psi = bump->Take<V>(2 * vectors);
    task->lambda = backward ? bump->Take<V>(2 * vectors) : nullptr;
    task->poison = bump->Take<V>(1);
    task->row_theta = bump->Take<double>(uint64_t{layout.n_rows} * kLanes);
    task->row_cos = bump->Take<V>(layout.n_rows);
    task->row_sin = bump->Take<V>(layout.n_rows);
    task->row_gradient = bump->Take<V>(layout.n_rows);
    task->columns = bump->Take<V>(4 * n);
    task->environment = bump->Take<V>(4 * n);
    task->bits = bump->Take<V>(4 * n);
    task->tangents = bump->Take<V>(2 * uint64_t{layout.n_slots});
    task->spare = bump->Take<V>(2);
    task->turns = bump->Take<U>(terms);
    task->leaves = bump->Take<V>(kParts * terms);
    task->chunk = bump->Take<V>(kParts * 2 * chunk);
    task->low = bump->Take<V>(uint64_t{4} << LowBits(layout));
    task->high = bump->Take<V>(uint64_t{4} << HighBits(layout));
    task->low_sum = bump->Take<V>(uint64_t{2 * kParts} << LowBits(layout));
    task->high_sum = bump->Take<V>(uint64_t{2} << HighBits(layout));
    task->sums = bump->Take<V>(kParts * terms);
    task->values = bump->Take<V>(layout.n_measured);
    task->term_values = bump->Take<V>(terms);
  }

  static uint64_t TableSize(const Layout& layout) {
    return Max(uint64_t{2} << layout.n_qubits, 2 * kLanes);
  }

  static void LayShared(const Layout& layout, int64_t groups, bool write, Bump* bump,
                        Shared<T>* shared) {
    shared->theta = bump->Take<double>(layout.n_rows);
    shared->row_cos = bump->Take<V>(layout.n_rows);
    shared->row_sin = bump->Take<V>(layout.n_rows);
    shared->signs = bump->Take<V>(2 * uint64_t{layout.n_slots});
    shared->tangents = bump->Take<V>(2 * uint64_t{layout.n_slots});
    shared->masks = bump->Take<U>(kLanes);
    shared->turns = bump->Take<Uint*>(layout.n_stages);
    shared->tables = bump->Take<T*>(layout.n_stages);
    shared->dense = bump->Take<V>(uint64_t{layout.n_dense} * 256);
    shared->leaves = bump->Take<U>(kTableJobs * MaxTerms(layout));
    shared->partial = bump->Take<double>(static_cast<uint64_t>(groups) * layout.n_rows);
    uint64_t bytes = 0;
    for (uint32_t s = 0; s < layout.n_stages; ++s) {
      const Stage& stage = layout.stages[s];
      Uint* turns = nullptr;
      T* table = nullptr;
      if (stage.kind == StageKind::kPhases) {
        turns = bump->Take<Uint>(stage.tree.n_terms);
        const uint64_t size = TableSize(layout) * sizeof(T);
        if (!stage.tree.per_sample && bytes + size <= kMaxTableBytes) {
          bytes += size;
          table = bump->Take<T>(TableSize(layout));
        }
      }
      if (write) {
        shared->turns[s] = turns;
        shared->tables[s] = table;
      }
    }
  }

  // --- Threads --------------------------------------------------------------------------------

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

  // --- A batch --------------------------------------------------------------------------------

  Status RunBatch() {
    const int64_t groups = Groups(request_.batch);
    void* shared_memory = request_.arena.take(request_.arena.handle,
                                              SharedBytes(layout_, request_.batch));
    if (shared_memory == nullptr) return Status::kOutOfMemory;
    Bump bump{reinterpret_cast<uintptr_t>(shared_memory)};
    LayShared(layout_, groups, true, &bump, &shared_);

    const int64_t threads = request_.pool.threads;
    const double work = static_cast<double>(request_.batch) / (kSampleLanes ? kLanes : 1) *
                        static_cast<double>(n_vectors_) * (12.0 + 8.0 * layout_.n_qubits) *
                        (backward_ ? 3 : 1);
    const int64_t rounds = (request_.batch + threads - 1) / threads;
    // Threads share a state where samples don't keep all of them busy.
    split_ = !kSampleLanes && threads > 1 && n_vectors_ >= kMinSplitVectors &&
             (request_.batch < threads || 4 * rounds * threads > 5 * request_.batch);
    int64_t tasks = split_ || work < kMinThreadedWork ? 1 : Min(threads, groups);
    if (tasks < 1) tasks = 1;
    Prepare();

    Status status = Status::kOk;
    auto run_task = [&](int64_t i) {
      void* memory = request_.arena.take(request_.arena.handle, TaskBytes(layout_, backward_));
      if (memory == nullptr) {
        __atomic_store_n(reinterpret_cast<int*>(&status), static_cast<int>(Status::kOutOfMemory),
                         __ATOMIC_RELAXED);
        return;
      }
      Runner runner(*this);
      Bump task_bump{reinterpret_cast<uintptr_t>(memory)};
      LayTask(layout_, backward_, &task_bump, &runner.task_);
      for (int64_t group = i; group < groups; group += tasks) runner.RunGroup(group);
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

  void SumWeights(int64_t groups) {
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

  // --- What all samples share -----------------------------------------------------------------

  void Prepare() {
    double poison = 0;
    for (uint32_t r = 0; r < layout_.n_rows; ++r) {
      const Row& row = layout_.rows[r];
      double theta = row.offset;
      for (uint32_t i = row.n_inputs; i < row.n_inputs + row.n_weights; ++i) {
        theta += row.summands[i].coefficient *
                 static_cast<double>(request_.weights[row.summands[i].index]);
      }
      if (!IsFinite(theta)) {
        poison = __builtin_nan("");
        theta = 0;
      }
      shared_.theta[r] = theta;
    }
    // A weight that no angle uses counts too: what comes out must not depend on the light cone.
    for (uint32_t w = 0; w < layout_.n_weights; ++w) {
      if (!IsFinite(static_cast<double>(request_.weights[w]))) poison = __builtin_nan("");
    }
    shared_.poison = poison;
    for (uint32_t first = 0; first < layout_.n_rows; first += kLanes) {
      const int count = static_cast<int>(Min(kLanes, layout_.n_rows - first));
      U turns{};
      for (int i = 0; i < count; ++i) {
        turns[i] = Turns<T>(shared_.theta[first + i] * (0.5 / kTurn));
      }
      V c, s;
      CosSin<T>(turns, &c, &s);
      for (int i = 0; i < count; ++i) {
        shared_.row_cos[first + i] = Splat<T>(c[i]);
        shared_.row_sin[first + i] = Splat<T>(s[i]);
      }
    }
    for (int mask = 0; mask < kLanes; ++mask) {
      for (int lane = 0; lane < kLanes; ++lane) {
        shared_.masks[mask][lane] = static_cast<Uint>(0) - OddParity(mask & lane);
      }
    }
    const uint32_t n_blocks = layout_.n_blocks + layout_.n_measured_blocks;
    for (uint32_t b = 0; b < n_blocks; ++b) {
      for (uint32_t j = 0; j < layout_.blocks[b].count; ++j) {
        const Gate& gate = layout_.blocks[b].gates[j];
        V* signs = shared_.signs + 2 * gate.slot;
        signs[0] = Negate(Splat(static_cast<T>(gate.sign)), shared_.masks[gate.z_lane]);
        signs[1] = -signs[0];
        if (b < layout_.n_blocks && layout_.rows[gate.row].n_inputs == 0) {
          SetTangents(shared_.row_cos[gate.row], shared_.row_sin[gate.row], signs,
                      shared_.tangents + 2 * gate.slot);
        }
      }
    }
    for (uint32_t s = 0; s < layout_.n_stages; ++s) {
      const Stage& stage = layout_.stages[s];
      if (stage.kind == StageKind::kPhases) {
        for (uint32_t t = 0; t < stage.tree.n_terms; ++t) {
          const TreeTerm& term = stage.tree.terms[t];
          const double angle = term.row == kNoRow ? 1.0 : shared_.theta[term.row];
          shared_.turns[s][t] = Turns<T>(angle * term.coefficient / kTurn);
        }
        if (shared_.tables[s] != nullptr) MakeTable(s);
      } else if (stage.kind == StageKind::kDense) {
        MakeDense(stage.dense);
      }
    }
  }

  static void SetTangents(V c, V s, const V* signs, V* tangents) {
    const V t = s / c;
    tangents[0] = signs[0] * t;
    tangents[1] = signs[1] * t;
  }

  // Factors of a phase stage, made with the amplitudes in the lanes; where the lanes are samples,
  // they are kept as numbers.
  void MakeTable(uint32_t s) {
    const Tree& tree = layout_.stages[s].shared_tree;
    const int64_t size = int64_t{1} << tree.levels;
    const int64_t chunks = static_cast<int64_t>(TableSize(layout_)) / 2 / kLanes / size;
    const int64_t jobs = chunks >= kTableJobs ? kTableJobs : 1;
    auto job = [&](int64_t j) {
      U out[kMaxChunk];
      U* leaves = shared_.leaves + j * static_cast<int64_t>(MaxTerms(layout_));
      for (int64_t chunk = chunks * j / jobs; chunk < chunks * (j + 1) / jobs; ++chunk) {
        FillChunk(tree, [&](uint32_t t) { return shared_.turns[s][t] - U{}; }, chunk, leaves, out);
        T* to = shared_.tables[s] + 2 * kLanes * size * chunk;
        for (int64_t k = 0; k < size; ++k, to += 2 * kLanes) {
          V re, im;
          CosSin<T>(out[k], &re, &im);
          if (kSampleLanes) {
            for (int i = 0; i < kLanes; ++i) {
              to[2 * i] = re[i];
              to[2 * i + 1] = im[i];
            }
          } else {
            reinterpret_cast<V*>(to)[0] = re;
            reinterpret_cast<V*>(to)[1] = im;
          }
        }
      }
    };
    if (jobs == 1 || n_vectors_ < kMinSplitVectors) {
      for (int64_t j = 0; j < jobs; ++j) job(j);
    } else {
      Parallel(jobs, job);
    }
  }

  // The tree's sum over terms of value(t) * (-1)^parity(mask & k), for a chunk of the entries.
  template <class E, class F>
  void FillChunk(const Tree& tree, F value, int64_t chunk, E* leaves, E* out) const {
    for (uint32_t i = 0; i < tree.n_leaves; ++i) leaves[i] = E{};
    for (uint32_t t = 0; t < tree.n_terms; ++t) {
      const TreeTerm& term = tree.terms[t];
      const E one = value(t);
      E& leaf = leaves[term.leaf];
      leaf = OddParity(term.outer & chunk) ? leaf - one : leaf + one;
    }
    for (uint32_t i = 0; i < tree.n_leaves; ++i) {
      if (tree.leaf_lane_masks[i] != 0) {
        leaves[i] = Negate(leaves[i], shared_.masks[tree.leaf_lane_masks[i]]);
      }
    }
    Unfold(tree, 0, tree.levels, leaves, out);
  }

  // Adds the tree's sums over a chunk of `values` to sums[term].
  void FoldChunk(const Tree& tree, int64_t chunk, V* values, V* leaves, V* sums) const {
    Fold(tree, 0, tree.levels, values, leaves);
    for (uint32_t i = 0; i < tree.n_leaves; ++i) {
      if (tree.leaf_lane_masks[i] != 0) {
        leaves[i] = Negate(leaves[i], shared_.masks[tree.leaf_lane_masks[i]]);
      }
    }
    for (uint32_t t = 0; t < tree.n_terms; ++t) {
      const V leaf = leaves[tree.terms[t].leaf];
      sums[t] = OddParity(tree.terms[t].outer & chunk) ? sums[t] - leaf : sums[t] + leaf;
    }
  }

  void MakeDense(const Dense& dense) {
    const uint32_t size = 1u << dense.k;
    for (uint32_t inverse = 0; inverse < 2; ++inverse) {
      for (uint32_t hi = 0; hi < size; ++hi) {
        for (uint32_t d = 0; d < size; ++d) {
          V* to = shared_.dense + (((dense.slot * 2 + inverse) * 8 + hi) * 8 + d) * 2;
          for (int lane = 0; lane < kLanes; ++lane) {
            uint32_t row = hi;
            for (uint32_t q = 0; q < dense.k; ++q) {
              const uint32_t bit = OddParity(dense.r_lane[q] & lane) ^ dense.offset[q];
              row ^= bit << (dense.k - 1 - q);
            }
            const uint32_t from = inverse ? row ^ d : row, other = inverse ? row : row ^ d;
            const double* entry = dense.matrix + 2 * (from * size + other);
            to[0][lane] = static_cast<T>(entry[0]);
            to[1][lane] = static_cast<T>(inverse ? -entry[1] : entry[1]);
          }
        }
      }
    }
  }

  // --- A group of samples ---------------------------------------------------------------------

  void RunGroup(int64_t group) {
    const int64_t size = GroupSize(request_.batch), first = group * size;
    const int count = static_cast<int>(Min(size, request_.batch - first));
    GroupAngles(first, count);
    for (uint32_t m = 0; m < layout_.n_measured; ++m) task_.values[m] = V{};
    for (uint32_t r = 0; r < layout_.n_rows; ++r) task_.row_gradient[r] = V{};
    if (backward_ && request_.upstream != nullptr) WeighMeasured(first, count);
    if (kSampleLanes) {
      sample_ = 0;
      RunSample(first, count);
    } else {
      for (sample_ = 0; sample_ < count; ++sample_) RunSample(first + sample_, 1);
    }
    if (backward_) {
      ChainGradient();
      StoreGradients(group, first, count);
    } else if (request_.expectations != nullptr) {
      StoreExpectations(first, count);
    }
  }

  // Angles with inputs in them, for the samples of a group in the lanes.
  void GroupAngles(int64_t first, int count) {
    V poison = Splat(static_cast<T>(shared_.poison));
    for (int i = 0; i < count; ++i) {
      const T* inputs = request_.inputs + (first + i) * layout_.n_inputs;
      for (uint32_t k = 0; k < layout_.n_inputs; ++k) {
        if (!IsFinite(static_cast<double>(inputs[k]))) poison[i] = static_cast<T>(__builtin_nan(""));
      }
    }
    for (uint32_t r = 0; r < layout_.n_rows; ++r) {
      const Row& row = layout_.rows[r];
      if (row.n_inputs == 0) continue;
      double* theta = task_.row_theta + r * kLanes;
      for (int i = 0; i < kLanes; ++i) theta[i] = shared_.theta[r];
      for (uint32_t k = 0; k < row.n_inputs; ++k) {
        const double coefficient = row.summands[k].coefficient;
        const T* input = request_.inputs + first * layout_.n_inputs + row.summands[k].index;
        for (int i = 0; i < count; ++i) {
          theta[i] += coefficient * static_cast<double>(input[i * layout_.n_inputs]);
        }
      }
      U turns[1];
      Uint* to = reinterpret_cast<Uint*>(turns);
      for (int i = 0; i < kLanes; ++i) {
        // A sum that is not finite though its summands are.
        if (!IsFinite(theta[i])) {
          theta[i] = 0;
          poison[i] = static_cast<T>(__builtin_nan(""));
        }
        to[i] = Turns<T>(theta[i] * (0.5 / kTurn));
      }
      CosSin<T>(turns[0], &task_.row_cos[r], &task_.row_sin[r]);
    }
    *task_.poison = poison;
    for (uint32_t b = 0; b < layout_.n_qubits; ++b) {
      V* column = task_.columns + 4 * b;
      column[0] = Splat(T{1});
      column[1] = column[2] = column[3] = V{};
      for (uint32_t g = layout_.chain_begin[b]; g < layout_.chain_begin[b + 1]; ++g) {
        const ChainGate& gate = layout_.chain[g];
        TurnColumn(gate.pauli, RowCos(gate.row), static_cast<T>(gate.sign) * RowSin(gate.row),
                   column);
      }
    }
  }

  // Cosine and sine of half an angle, samples in the lanes.
  V RowCos(uint32_t row) const {
    return layout_.rows[row].n_inputs ? task_.row_cos[row] : shared_.row_cos[row];
  }
  V RowSin(uint32_t row) const {
    return layout_.rows[row].n_inputs ? task_.row_sin[row] : shared_.row_sin[row];
  }

  // As the running sample sees a vector with samples in the lanes.
  V OfSample(V v) const {
    if (kSampleLanes) return v;
    return Splat<T>(v[sample_]);
  }

  // Adds to a vector with samples in the lanes what the running sample has in `sum`.
  void AddToSample(V* to, V sum, V scale) const {
    if (kSampleLanes) {
      *to = *to + sum * scale;
    } else {
      (*to)[sample_] += SumLanes<T>(sum) * scale[0];
    }
  }

  // A column of a matrix, a sample a lane. Through memory: setting lanes one by one is slow.
  static V LoadColumn(const T* from, int64_t stride, int count) {
    V lanes[1] = {};
    T* to = reinterpret_cast<T*>(lanes);
    for (int i = 0; i < count; ++i) to[i] = from[i * stride];
    return lanes[0];
  }

  V EntryFactor(const Entry& entry, bool derivative) const {
    if (entry.function == 0) return Splat(derivative ? T{0} : T{1});
    const V c = RowCos(entry.row), s = RowSin(entry.row);
    const V cosine = c * c - s * s, sine = T{2} * c * s;
    if (entry.function == 1) return derivative ? -sine : cosine;
    return derivative ? cosine : sine;
  }

  void StoreExpectations(int64_t first, int count) {
    const uint32_t n_measured = layout_.n_measured, n = layout_.n_observables;
    for (int i = 0; i < count; ++i) {
      T* to = request_.expectations + (first + i) * n;
      for (uint32_t o = 0; o < n; ++o) to[o] = (*task_.poison)[i];
      for (uint32_t m = 0; m < n_measured; ++m) {
        request_.measured[(first + i) * n_measured + m] = task_.values[m][i];
      }
    }
    for (uint32_t e = 0; e < layout_.n_entries; ++e) {
      const Entry& entry = layout_.entries[e];
      const V value = static_cast<T>(entry.coefficient) * EntryFactor(entry, false) *
                      task_.values[entry.measured];
      for (int i = 0; i < count; ++i) {
        request_.expectations[(first + i) * n + entry.observable] += value[i];
      }
    }
  }

  // The upstream gradient of each measured string, and the gradient of what is multiplied to it.
  void WeighMeasured(int64_t first, int count) {
    for (uint32_t e = 0; e < layout_.n_entries; ++e) {
      const Entry& entry = layout_.entries[e];
      V upstream = LoadColumn(request_.upstream + first * layout_.n_observables + entry.observable,
                              layout_.n_observables, count);
      upstream = upstream * static_cast<T>(entry.coefficient);
      task_.values[entry.measured] =
          task_.values[entry.measured] + upstream * EntryFactor(entry, false);
      if (entry.function != 0) {
        const V measured =
            LoadColumn(request_.given_measured + first * layout_.n_measured + entry.measured,
                       layout_.n_measured, count);
        task_.row_gradient[entry.row] =
            task_.row_gradient[entry.row] + upstream * EntryFactor(entry, true) * measured;
      }
    }
  }

  void StoreGradients(int64_t group, int64_t first, int count) {
    double* partial = shared_.partial + group * layout_.n_rows;
    if (request_.d_inputs != nullptr) {
      T* d_inputs = request_.d_inputs + first * layout_.n_inputs;
      for (int i = 0; i < count; ++i) {
        for (uint32_t k = 0; k < layout_.n_inputs; ++k) {
          d_inputs[i * layout_.n_inputs + k] = (*task_.poison)[i];
        }
      }
    }
    for (uint32_t r = 0; r < layout_.n_rows; ++r) {
      const Row& row = layout_.rows[r];
      const V gradient = task_.row_gradient[r] + *task_.poison;
      double sum = 0;
      for (int i = 0; i < count; ++i) sum += static_cast<double>(gradient[i]);
      partial[r] = sum;
      if (request_.d_inputs == nullptr) continue;
      for (uint32_t k = 0; k < row.n_inputs; ++k) {
        T* to = request_.d_inputs + first * layout_.n_inputs + row.summands[k].index;
        const T coefficient = static_cast<T>(row.summands[k].coefficient);
        for (int i = 0; i < count; ++i) to[i * layout_.n_inputs] += coefficient * gradient[i];
      }
    }
  }

  // Gradients of the gates of the product start, samples in the lanes: walk back through each
  // bit's column with the gradient of the column beside it.
  void ChainGradient() {
    if (!ChainNeeded()) return;
    for (uint32_t b = 0; b < layout_.n_qubits; ++b) {
      V w[4], e[4];
      for (int i = 0; i < 4; ++i) {
        w[i] = task_.columns[4 * b + i];
        e[i] = task_.environment[4 * b + i];
      }
      for (uint32_t g = layout_.chain_begin[b + 1]; g-- > layout_.chain_begin[b];) {
        const ChainGate& gate = layout_.chain[g];
        const V c = RowCos(gate.row), s = static_cast<T>(gate.sign) * RowSin(gate.row);
        // Re(e . (-i P w)), as the derivative of the gate is -i/2 P times it.
        V sum;
        if (gate.pauli == 0) {
          sum = e[0] * w[3] + e[1] * w[2] + e[2] * w[1] + e[3] * w[0];
        } else if (gate.pauli == 1) {
          sum = e[2] * w[0] - e[3] * w[1] - e[0] * w[2] + e[1] * w[3];
        } else {
          sum = e[0] * w[1] + e[1] * w[0] - e[2] * w[3] - e[3] * w[2];
        }
        task_.row_gradient[gate.row] =
            task_.row_gradient[gate.row] + static_cast<T>(gate.sign) * sum;
        TurnColumn(gate.pauli, c, -s, w);
        // A row vector sees the transpose, which differs for Y only.
        TurnColumn(gate.pauli, c, gate.pauli == 1 ? -s : s, e);
      }
    }
  }

  bool Needed(bool by_weights, bool by_inputs) const {
    return by_weights || (by_inputs && request_.d_inputs != nullptr);
  }
  bool ChainNeeded() const {
    return Needed(layout_.chain_needed_by_weights, layout_.chain_needed_by_inputs);
  }

  // --- A sample (or a lane group) -------------------------------------------------------------

  void RunSample(int64_t first, int count) {
    psi_scale_ = Splat(T{1});
    // A first stage of phases is multiplied to the product as it is made.
    const bool with_phases =
        layout_.n_stages > 0 && layout_.stages[0].kind == StageKind::kPhases;
    StartProduct(with_phases);
    for (uint32_t s = with_phases ? 1 : 0; s < layout_.n_stages; ++s) {
      const Stage& stage = layout_.stages[s];
      if (stage.kind == StageKind::kRotations) {
        for (uint32_t b = stage.block_begin; b < stage.block_end; ++b) {
          RotateBlock(layout_.blocks[b]);
        }
      } else if (stage.kind == StageKind::kPhases) {
        ApplyPhases(s);
      } else {
        ApplyDense(stage.dense, false, task_.psi);
      }
    }
    if (!backward_) {
      if (request_.expectations != nullptr) {
        Measure();
      } else {
        StoreState(first, count);
      }
      return;
    }
    lambda_scale_ = Splat(T{1});
    if (request_.upstream != nullptr) {
      StartLambda();
    } else {
      LoadLambda(first, count);
    }
    for (uint32_t s = layout_.n_stages; s-- > 0;) {
      const Stage& stage = layout_.stages[s];
      // Nothing before it has an angle whose gradient is wanted.
      if (!Needed(stage.needed_by_weights, stage.needed_by_inputs)) return;
      if (stage.kind == StageKind::kRotations) {
        for (uint32_t b = stage.block_end; b-- > stage.block_begin;) BackBlock(layout_.blocks[b]);
      } else if (stage.kind == StageKind::kPhases) {
        BackPhases(s, s > 0);
      } else {
        ApplyDense(stage.dense, true, task_.psi);
        ApplyDense(stage.dense, true, task_.lambda);
      }
    }
    if (ChainNeeded()) ProductGradient();
  }

  static bool AnyBelow(V v, double bound) {
    bool below = false;
    for (int i = 0; i < (kSampleLanes ? kLanes : 1); ++i) {
      const T x = v[i] < 0 ? -v[i] : v[i];
      below = below || x < static_cast<T>(bound);
    }
    return below;
  }

  void Rescale(V* state, V* scale) const {
    if (!AnyBelow(*scale, kSmallestScale)) return;
    const V by = *scale;
    ForParts(2 * n_vectors_, [=](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) state[k] = state[k] * by;
    });
    *scale = Splat(T{1});
  }

  // Fills in a pass over the rotations of a block and returns the product of their cosines, and
  // each one's in `cosines`.
  V PreparePass(const Block& block, Pass<T>* pass, V* cosines) {
    pass->block = &block;
    V product = Splat(T{1});
    for (uint32_t j = 0; j < block.count; ++j) {
      const Gate& gate = block.gates[j];
      pass->signs[j] = shared_.signs + 2 * gate.slot;
      if (layout_.rows[gate.row].n_inputs == 0) {
        pass->coefficients[j] = shared_.tangents + 2 * gate.slot;
        cosines[j] = shared_.row_cos[gate.row];
      } else {
        V* tangents = task_.tangents + 2 * gate.slot;
        cosines[j] = OfSample(task_.row_cos[gate.row]);
        SetTangents(cosines[j], OfSample(task_.row_sin[gate.row]), pass->signs[j], tangents);
        pass->coefficients[j] = tangents;
      }
      product = product * cosines[j];
    }
    return product;
  }

  // One gate of a block as a block of its own at half its angle; returns the factor that applying
  // it twice leaves out.
  V PrepareHalf(const Block& block, uint32_t j, Block* single, Pass<T>* pass) {
    const Gate& gate = block.gates[j];
    *single = Block{};
    single->lanes = block.lanes;
    single->count = 1;
    single->gates[0] = gate;
    single->x_types = gate.y_like ? 0 : 1;
    if (!block.lanes) {
      single->pivots[0] = 63 - static_cast<uint32_t>(__builtin_clzll(gate.x_hi));
      single->offsets[1] = gate.x_hi;
      single->lane_xor[1] = gate.x_lane;
    }
    pass->block = single;
    pass->signs[0] = shared_.signs + 2 * gate.slot;
    const V c = OfSample(RowCos(gate.row)), s = OfSample(RowSin(gate.row));
    // An angle of half a turn more or less changes the sign alone, and the nearer half has a
    // positive cosine; then tan(a/2) = sin a / (1 + cos a).
    const V flip = c < 0 ? Splat(T{-1}) : Splat(T{1});
    const V t = flip * s / (T{1} + flip * c);
    task_.spare[0] = pass->signs[0][0] * t;
    task_.spare[1] = pass->signs[0][1] * t;
    pass->coefficients[0] = task_.spare;
    return flip * (T{0.5} + T{0.5} * flip * c);
  }

  int64_t PassSize(const Block& block) const {
    return block.lanes ? n_vectors_ : n_vectors_ >> block.count;
  }

  void RotateBlock(const Block& block) {
    Pass<T> pass;
    V cosines[qkeras_hybrid::kMaxBlockGates];
    const V product = PreparePass(block, &pass, cosines);
    if (AnyBelow(product, kSmallestBlockScale)) {
      for (uint32_t j = 0; j < block.count; ++j) {
        Block single;
        const V scale = PrepareHalf(block, j, &single, &pass);
        Rotate(pass);
        Rotate(pass);
        psi_scale_ = psi_scale_ * scale;
      }
    } else {
      Rotate(pass);
      psi_scale_ = psi_scale_ * product;
    }
    Rescale(task_.psi, &psi_scale_);
  }

  void Rotate(const Pass<T>& pass) {
    const auto passes = PassesFor<T, kLaneBits>(*pass.block);
    ForParts(PassSize(*pass.block), [&](int64_t begin, int64_t end, int) {
      passes.rotate(task_.psi, pass, begin, end);
    });
  }

  // Clears and returns the sums of a part.
  V* ClearSums(int part, uint32_t count) const {
    V* sums = task_.sums + part * static_cast<int64_t>(MaxTerms(layout_));
    for (uint32_t i = 0; i < count; ++i) sums[i] = V{};
    return sums;
  }
  // Adds the parts' sums, in their order, to the first's.
  V* JoinSums(int parts, uint32_t count) const {
    for (int part = 1; part < parts; ++part) {
      const V* sums = task_.sums + part * static_cast<int64_t>(MaxTerms(layout_));
      for (uint32_t i = 0; i < count; ++i) task_.sums[i] = task_.sums[i] + sums[i];
    }
    return task_.sums;
  }

  V* Back(const Pass<T>& pass) {
    const auto passes = PassesFor<T, kLaneBits>(*pass.block);
    const uint32_t count = pass.block->count;
    const int64_t size = PassSize(*pass.block);
    ForParts(size, [&](int64_t begin, int64_t end, int part) {
      passes.back(task_.psi, task_.lambda, pass, begin, end, ClearSums(part, count));
    });
    return JoinSums(Parts(size), count);
  }

  void BackBlock(const Block& block) {
    Pass<T> pass;
    V cosines[qkeras_hybrid::kMaxBlockGates];
    const V product = PreparePass(block, &pass, cosines);
    if (AnyBelow(product, kSmallestBlockScale)) {
      for (uint32_t j = block.count; j-- > 0;) {
        Block single;
        const V scale = PrepareHalf(block, j, &single, &pass);
        AddToSample(&task_.row_gradient[block.gates[j].row], *Back(pass),
                    psi_scale_ * lambda_scale_);
        Back(pass);
        psi_scale_ = psi_scale_ * scale;
        lambda_scale_ = lambda_scale_ * scale;
      }
    } else {
      const V* sums = Back(pass);
      V scale = psi_scale_ * lambda_scale_;
      for (uint32_t j = block.count; j-- > 0;) {
        AddToSample(&task_.row_gradient[block.gates[j].row], sums[j], scale);
        // Gates on the lanes are undone one by one, each derivative taken at its own place.
        if (block.lanes) scale = scale * cosines[j] * cosines[j];
      }
      psi_scale_ = psi_scale_ * product;
      lambda_scale_ = lambda_scale_ * product;
    }
    Rescale(task_.psi, &psi_scale_);
    Rescale(task_.lambda, &lambda_scale_);
  }

  // Calls body(k, re, im) with the factor of each entry of a chunk.
  template <class F>
  void ForFactors(uint32_t s, int64_t chunk, int part, F body) const {
    const Tree& tree = layout_.stages[s].tree;
    const int64_t size = int64_t{1} << tree.levels, first = chunk * size;
    const T* table = shared_.tables[s];
    if (table != nullptr && kSampleLanes) {
      for (int64_t k = first; k < first + size; ++k) {
        body(k, Splat(table[2 * k]), Splat(table[2 * k + 1]));
      }
    } else if (table != nullptr) {
      const V* vectors = reinterpret_cast<const V*>(table);
      for (int64_t k = first; k < first + size; ++k) body(k, vectors[2 * k], vectors[2 * k + 1]);
    } else {
      U* turns = reinterpret_cast<U*>(ChunkMemory(part));
      FillChunk(tree, [&](uint32_t t) { return task_.turns[t]; }, chunk,
                reinterpret_cast<U*>(LeafMemory(part)), turns);
      for (int64_t k = 0; k < size; ++k) {
        V re, im;
        CosSin<T>(turns[k], &re, &im);
        body(first + k, re, im);
      }
    }
  }

  V* ChunkMemory(int part) const {
    return task_.chunk + (int64_t{2 * part} << layout_.measured_tree.levels);
  }
  V* LeafMemory(int part) const {
    return task_.leaves + part * static_cast<int64_t>(MaxTerms(layout_));
  }

  // The phase terms' turns as the running sample has them.
  void SampleTurns(uint32_t s) {
    if (shared_.tables[s] != nullptr) return;
    const Tree& tree = layout_.stages[s].tree;
    for (uint32_t t = 0; t < tree.n_terms; ++t) {
      const TreeTerm& term = tree.terms[t];
      U turns = shared_.turns[s][t] - U{};
      if (term.row != kNoRow && layout_.rows[term.row].n_inputs > 0) {
        const double* theta = task_.row_theta + term.row * kLanes;
        const double factor = term.coefficient / kTurn;
        if (kSampleLanes) {
          for (int i = 0; i < kLanes; ++i) turns[i] = Turns<T>(theta[i] * factor);
        } else {
          turns = Turns<T>(theta[sample_] * factor) - U{};
        }
      }
      task_.turns[t] = turns;
    }
  }

  void ApplyPhases(uint32_t s) {
    SampleTurns(s);
    V* psi = task_.psi;
    const uint32_t levels = layout_.stages[s].tree.levels;
    ForParts(n_vectors_ >> levels, [&](int64_t begin, int64_t end, int part) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        ForFactors(s, chunk, part, [=](int64_t k, V re, V im) {
          Multiply(psi[2 * k], psi[2 * k + 1], re, im, psi + 2 * k);
        });
      }
    });
  }

  void BackPhases(uint32_t s, bool psi_needed) {
    SampleTurns(s);
    V *psi = task_.psi, *lambda = task_.lambda;
    const Tree& tree = layout_.stages[s].gradient_tree;
    const uint32_t levels = layout_.stages[s].tree.levels;
    const int64_t chunks = n_vectors_ >> levels;
    ForParts(chunks, [&](int64_t begin, int64_t end, int part) {
      V* sums = ClearSums(part, tree.n_terms);
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        V* products = ChunkMemory(part) + (int64_t{1} << levels);
        V* at = products - (chunk << levels);
        // Im(conj(lambda) psi), the same before and after.
        if (psi_needed) {
          ForFactors(s, chunk, part, [=](int64_t k, V re, V im) {
            at[k] = lambda[2 * k] * psi[2 * k + 1] - lambda[2 * k + 1] * psi[2 * k];
            Multiply(psi[2 * k], psi[2 * k + 1], re, -im, psi + 2 * k);
            Multiply(lambda[2 * k], lambda[2 * k + 1], re, -im, lambda + 2 * k);
          });
        } else {
          ForFactors(s, chunk, part, [=](int64_t k, V re, V im) {
            at[k] = lambda[2 * k] * psi[2 * k + 1] - lambda[2 * k + 1] * psi[2 * k];
            Multiply(lambda[2 * k], lambda[2 * k + 1], re, -im, lambda + 2 * k);
          });
        }
        if (tree.n_terms > 0) FoldChunk(tree, chunk, products, LeafMemory(part), sums);
      }
    });
    const V* sums = JoinSums(Parts(chunks), tree.n_terms);
    for (uint32_t t = 0; t < tree.n_terms; ++t) {
      // d/da exp(i c a Z) = i c Z, and 2 Re <lambda| i c Z |psi> = -2 c sum Z Im(conj(lambda) psi).
      const T factor = static_cast<T>(-2 * tree.terms[t].coefficient);
      AddToSample(&task_.row_gradient[tree.terms[t].row], sums[t],
                  factor * psi_scale_ * lambda_scale_);
    }
  }

  void ApplyDense(const Dense& dense, bool inverse, V* state) const {
    const V* matrix = shared_.dense + (dense.slot * 2 + inverse) * 128;
    const uint32_t size = 1u << dense.rank, span = 1u << dense.k;
    LaneExchange<T> exchange[8];
    for (uint32_t d = 0; d < span; ++d) exchange[d] = LaneExchange<T>(dense.lane_xor[d]);
    ForParts(n_vectors_ >> dense.rank, [&](int64_t begin, int64_t end, int) {
      for (int64_t c = begin; c < end; ++c) {
        uint64_t base = c;
        for (uint32_t i = 0; i < dense.rank; ++i) {
          const uint64_t low = (uint64_t{1} << dense.pivots[i]) - 1;
          base = ((base & ~low) << 1) | (base & low);
        }
        V in[16];
        for (uint32_t b = 0; b < size; ++b) {
          in[2 * b] = state[2 * (base ^ dense.span[b])];
          in[2 * b + 1] = state[2 * (base ^ dense.span[b]) + 1];
        }
        for (uint32_t b = 0; b < size; ++b) {
          uint32_t hi = 0;
          for (uint32_t q = 0; q < dense.k; ++q) {
            hi = hi << 1 | static_cast<uint32_t>(OddParity((base ^ dense.span[b]) & dense.r_hi[q]));
          }
          V sum_re{}, sum_im{};
          for (uint32_t d = 0; d < span; ++d) {
            const uint32_t from = b ^ dense.source[d];
            const V re = exchange[d](in[2 * from]), im = exchange[d](in[2 * from + 1]);
            const V *m = matrix + (hi * 8 + d) * 2;
            sum_re = sum_re + m[0] * re - m[1] * im;
            sum_im = sum_im + m[0] * im + m[1] * re;
          }
          state[2 * (base ^ dense.span[b])] = sum_re;
          state[2 * (base ^ dense.span[b]) + 1] = sum_im;
        }
      }
    });
  }

  // --- Observables ----------------------------------------------------------------------------

  void Measure() {
    const V *psi = task_.psi, scale = psi_scale_ * psi_scale_;
    const Tree& tree = layout_.measured_tree;
    if (tree.n_terms > 0) {
      const int64_t chunks = n_vectors_ >> tree.levels, size = int64_t{1} << tree.levels;
      ForParts(chunks, [&](int64_t begin, int64_t end, int part) {
        V* sums = ClearSums(part, tree.n_terms);
        V* squares = ChunkMemory(part);
        for (int64_t chunk = begin; chunk < end; ++chunk) {
          const V* at = psi + 2 * size * chunk;
          for (int64_t k = 0; k < size; ++k) {
            squares[k] = at[2 * k] * at[2 * k] + at[2 * k + 1] * at[2 * k + 1];
          }
          FoldChunk(tree, chunk, squares, LeafMemory(part), sums);
        }
      });
      const V* sums = JoinSums(Parts(chunks), tree.n_terms);
      for (uint32_t t = 0; t < tree.n_terms; ++t) {
        AddToSample(&task_.values[tree.terms[t].row], sums[t],
                    static_cast<T>(tree.terms[t].coefficient) * scale);
      }
    }
    for (uint32_t b = 0; b < layout_.n_measured_blocks; ++b) {
      const Block& block = layout_.blocks[layout_.n_blocks + b];
      Pass<T> pass;
      pass.block = &block;
      for (uint32_t j = 0; j < block.count; ++j) {
        pass.signs[j] = shared_.signs + 2 * block.gates[j].slot;
      }
      const auto passes = PassesFor<T, kLaneBits>(block);
      ForParts(PassSize(block), [&](int64_t begin, int64_t end, int part) {
        passes.measure(psi, pass, begin, end, ClearSums(part, block.count));
      });
      const V* sums = JoinSums(Parts(PassSize(block)), block.count);
      for (uint32_t j = 0; j < block.count; ++j) {
        AddToSample(&task_.values[block.gates[j].row], sums[j], scale);
      }
    }
  }

  // lambda = sum over measured strings of weight * P psi.
  void StartLambda() {
    const V* psi = task_.psi;
    V* lambda = task_.lambda;
    const Tree& tree = layout_.measured_tree;
    for (uint32_t t = 0; t < tree.n_terms; ++t) {
      task_.term_values[t] = OfSample(task_.values[tree.terms[t].row]) * psi_scale_ *
                             static_cast<T>(tree.terms[t].coefficient);
    }
    const int64_t chunks = n_vectors_ >> tree.levels, size = int64_t{1} << tree.levels;
    ForParts(chunks, [&](int64_t begin, int64_t end, int part) {
      V* diagonal = ChunkMemory(part);
      for (int64_t k = 0; k < size; ++k) diagonal[k] = V{};
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        if (tree.n_terms > 0) {
          FillChunk(tree, [&](uint32_t t) { return task_.term_values[t]; }, chunk,
                    LeafMemory(part), diagonal);
        }
        const V* from = psi + 2 * size * chunk;
        V* to = lambda + 2 * size * chunk;
        for (int64_t k = 0; k < size; ++k) {
          to[2 * k] = diagonal[k] * from[2 * k];
          to[2 * k + 1] = diagonal[k] * from[2 * k + 1];
        }
      }
    });
    for (uint32_t b = 0; b < layout_.n_measured_blocks; ++b) {
      const Block& block = layout_.blocks[layout_.n_blocks + b];
      Pass<T> pass;
      pass.block = &block;
      for (uint32_t j = 0; j < block.count; ++j) {
        const Gate& gate = block.gates[j];
        const V weight = OfSample(task_.values[gate.row]) * psi_scale_;
        V* weights = task_.tangents + 2 * gate.slot;
        weights[0] = shared_.signs[2 * gate.slot] * weight;
        weights[1] = shared_.signs[2 * gate.slot + 1] * weight;
        pass.coefficients[j] = weights;
      }
      const auto passes = PassesFor<T, kLaneBits>(block);
      ForParts(PassSize(block), [&](int64_t begin, int64_t end, int) {
        passes.accumulate(psi, lambda, pass, begin, end);
      });
    }
  }

  // --- State vectors --------------------------------------------------------------------------

  // The index of the basis state that lies at `index` of the storage.
  uint64_t BasisState(uint64_t index) const {
    uint64_t state = 0;
    for (uint32_t q = 0; q < layout_.n_qubits; ++q) {
      state = state << 1 | (OddParity(layout_.reads[q] & index) ^ layout_.read_offsets[q]);
    }
    return state;
  }

  // Calls body(place in a (2^n, 2) array, vector, lane or sample).
  template <class F>
  void ForAmplitudes(int count, F body) const {
    ForParts(n_vectors_, [&](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) {
        if (kSampleLanes) {
          const uint64_t state = BasisState(k);
          for (int i = 0; i < count; ++i) {
            body((static_cast<uint64_t>(i) << layout_.n_qubits | state) * 2, k, i);
          }
        } else {
          for (int i = 0; i < kLanes; ++i) {
            body(BasisState(static_cast<uint64_t>(k) * kLanes + i) * 2, k, i);
          }
        }
      }
    });
  }

  void StoreState(int64_t first, int count) const {
    T* to = request_.state + (static_cast<uint64_t>(first) << layout_.n_qubits) * 2;
    const V* psi = task_.psi;
    V scale = psi_scale_;
    // A parameter that is not finite makes the whole state NaN.
    const V poison = OfSample(*task_.poison);
    ForAmplitudes(count, [=](uint64_t at, int64_t k, int i) {
      to[at] = psi[2 * k][i] * scale[i] + poison[i];
      to[at + 1] = psi[2 * k + 1][i] * scale[i] + poison[i];
    });
  }

  // TensorFlow's gradient g of a complex tensor z has dL = Re(conj(g) dz); lambda is half of it.
  void LoadLambda(int64_t first, int count) {
    const T* from = request_.state_upstream + (static_cast<uint64_t>(first) << layout_.n_qubits) * 2;
    V* lambda = task_.lambda;
    for (int64_t k = 0; k < 2 * n_vectors_; ++k) lambda[k] = V{};
    ForAmplitudes(count, [=](uint64_t at, int64_t k, int i) {
      lambda[2 * k][i] = T{0.5} * from[at];
      lambda[2 * k + 1][i] = T{0.5} * from[at + 1];
    });
  }

  // --- The product start ----------------------------------------------------------------------

  // Stage j of `stages`, at 2 (2^j - 1), is the product over the first j of `bits`.
  static V* ProductStage(V* stages, int j) { return stages + 2 * ((int64_t{1} << j) - 1); }

  static void GrowProduct(const V* bits, int count, V* stages) {
    for (int j = 0; j < count; ++j) {
      const int64_t size = int64_t{1} << j;
      const V* from = ProductStage(stages, j);
      V* to = ProductStage(stages, j + 1);
      const V* bit = bits + 4 * j;
      for (int64_t k = 0; k < size; ++k) {
        Multiply(from[2 * k], from[2 * k + 1], bit[0], bit[1], to + 2 * k);
        Multiply(from[2 * k], from[2 * k + 1], bit[2], bit[3], to + 2 * (k + size));
      }
    }
  }

  // The lane bits' factor of each lane, but for bit `without`.
  void LaneProduct(int without, V* product) const {
    product[0] = Splat(T{1});
    product[1] = V{};
    for (int p = 0; p < kLaneBits; ++p) {
      if (p == without) continue;
      const V* bit = task_.bits + 4 * p;
      const auto one = shared_.masks[1 << p] != 0;
      Multiply(product[0], product[1], one ? bit[2] : bit[0], one ? bit[3] : bit[1], product);
    }
  }

  void StartProduct(bool with_phases) {
    for (uint32_t i = 0; i < 4 * layout_.n_qubits; ++i) {
      task_.bits[i] = OfSample(task_.columns[i]);
    }
    LaneProduct(-1, task_.low);
    GrowProduct(task_.bits + 4 * kLaneBits, low_bits_, task_.low);
    task_.high[0] = Splat(T{1});
    task_.high[1] = V{};
    GrowProduct(task_.bits + 4 * (kLaneBits + low_bits_), high_bits_, task_.high);
    const V* low = ProductStage(task_.low, low_bits_);
    const V* high = ProductStage(task_.high, high_bits_);
    const int64_t n_low = int64_t{1} << low_bits_;
    V* psi = task_.psi;
    if (with_phases) {
      SampleTurns(0);
      const int low_bits = low_bits_;
      ForParts(n_vectors_ >> layout_.stages[0].tree.levels,
               [&](int64_t begin, int64_t end, int part) {
                 for (int64_t chunk = begin; chunk < end; ++chunk) {
                   ForFactors(0, chunk, part, [=](int64_t k, V re, V im) {
                     const V* l = low + 2 * (k & (n_low - 1));
                     const V* h = high + 2 * (k >> low_bits);
                     V product[2];
                     Multiply(l[0], l[1], h[0], h[1], product);
                     Multiply(product[0], product[1], re, im, psi + 2 * k);
                   });
                 }
               });
      return;
    }
    ForParts(int64_t{1} << high_bits_, [=](int64_t begin, int64_t end, int) {
      for (int64_t h = begin; h < end; ++h) {
        const V re = high[2 * h], im = high[2 * h + 1];
        V* to = psi + 2 * n_low * h;
        for (int64_t l = 0; l < n_low; ++l) {
          Multiply(low[2 * l], low[2 * l + 1], re, im, to + 2 * l);
        }
      }
    });
  }

  // Gradients e of the bits' columns v: the derivative is 2 Re(e . dv). What every other bit
  // contributes is a contraction of conj(lambda) with their columns, halved between low and high.
  void ProductGradient() {
    const V* low = ProductStage(task_.low, low_bits_);
    const V* high = ProductStage(task_.high, high_bits_);
    const int64_t n_low = int64_t{1} << low_bits_, n_high = int64_t{1} << high_bits_;
    const V* lambda = task_.lambda;
    V* high_sum = task_.high_sum;
    ForParts(n_high, [&](int64_t begin, int64_t end, int part) {
      V* low_sum = task_.low_sum + 2 * n_low * part;
      for (int64_t l = 0; l < 2 * n_low; ++l) low_sum[l] = V{};
      for (int64_t h = begin; h < end; ++h) {
        const V h_re = high[2 * h], h_im = high[2 * h + 1];
        const V* at = lambda + 2 * n_low * h;
        V sum_re{}, sum_im{};
        for (int64_t l = 0; l < n_low; ++l) {
          const V re = at[2 * l], im = at[2 * l + 1];
          sum_re = sum_re + re * low[2 * l];
          sum_re = sum_re + im * low[2 * l + 1];
          sum_im = sum_im + re * low[2 * l + 1];
          sum_im = sum_im - im * low[2 * l];
          low_sum[2 * l] = low_sum[2 * l] + re * h_re + im * h_im;
          low_sum[2 * l + 1] = low_sum[2 * l + 1] + re * h_im - im * h_re;
        }
        high_sum[2 * h] = sum_re;
        high_sum[2 * h + 1] = sum_im;
      }
    });
    V* low_sum = task_.low_sum;
    for (int part = 1; part < Parts(n_high); ++part) {
      for (int64_t l = 0; l < 2 * n_low; ++l) {
        low_sum[l] = low_sum[l] + task_.low_sum[2 * n_low * part + l];
      }
    }
    Contract(high_sum, high_bits_, kLaneBits + low_bits_, task_.high);
    Contract(low_sum, low_bits_, kLaneBits, task_.low);
    for (int p = 0; p < kLaneBits; ++p) {
      V others[2], products[2];
      LaneProduct(p, others);
      Multiply(others[0], others[1], low_sum[0], low_sum[1], products);
      const auto one = shared_.masks[1 << p] != 0;
      StoreEnvironment(p, one ? V{} : products[0], one ? V{} : products[1],
                       one ? products[0] : V{}, one ? products[1] : V{});
    }
  }

  void StoreEnvironment(int bit, V re0, V im0, V re1, V im1) {
    V* to = task_.environment + 4 * bit;
    if (kSampleLanes || sample_ == 0) to[0] = to[1] = to[2] = to[3] = V{};
    AddToSample(to, re0, lambda_scale_);
    AddToSample(to + 1, im0, lambda_scale_);
    AddToSample(to + 2, re1, lambda_scale_);
    AddToSample(to + 3, im1, lambda_scale_);
  }

  // Takes the gradient `sum` of a product over `count` bits apart, from the last bit down.
  void Contract(V* sum, int count, int first_bit, V* stages) {
    for (int j = count - 1; j >= 0; --j) {
      const int64_t half = int64_t{1} << j;
      const V* rest = ProductStage(stages, j);
      const V* bit = task_.bits + 4 * (first_bit + j);
      V e[4] = {};
      for (int64_t k = 0; k < half; ++k) {
        V* lower = sum + 2 * k;
        const V* upper = sum + 2 * (k + half);
        V product[2];
        Multiply(lower[0], lower[1], rest[2 * k], rest[2 * k + 1], product);
        e[0] = e[0] + product[0];
        e[1] = e[1] + product[1];
        Multiply(upper[0], upper[1], rest[2 * k], rest[2 * k + 1], product);
        e[2] = e[2] + product[0];
        e[3] = e[3] + product[1];
        V with_one[2];
        Multiply(upper[0], upper[1], bit[2], bit[3], with_one);
        Multiply(lower[0], lower[1], bit[0], bit[1], lower);
        lower[0] = lower[0] + with_one[0];
        lower[1] = lower[1] + with_one[1];
      }
      StoreEnvironment(first_bit + j, e[0], e[1], e[2], e[3]);
    }
  }

  const Request<T> request_;
  const Layout& layout_;
  const bool backward_;
  const int64_t n_vectors_;
  const int low_bits_, high_bits_;
  bool split_ = false;
  int sample_ = 0;  // the running sample's place in its group
  V psi_scale_, lambda_scale_;
  Shared<T> shared_;
  Task<T> task_;
};

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_RUNNER_H_
