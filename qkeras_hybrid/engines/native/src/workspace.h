// The memory of a run: the part that all samples share, and the part of each task.
#ifndef QKERAS_HYBRID_NATIVE_WORKSPACE_H_
#define QKERAS_HYBRID_NATIVE_WORKSPACE_H_

#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::Layout;
using qkeras_hybrid::Stage;
using qkeras_hybrid::StageKind;

// Parts that one pass over a large state is split into when all threads work on one sample.
constexpr int kParts = 16;
// Phase tables are made by this many jobs if they are large.
constexpr int kTableJobs = 8;
// A batch is run by at least this many tasks for any number of threads, so that sums don't depend on
// it.
constexpr int64_t kMinGroups = 16;
// Phase tables that all samples share are kept up to this size, and made again at each use above.
constexpr uint64_t kMaxTableBytes = uint64_t{64} << 20;

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

inline uint64_t Max(uint64_t a, uint64_t b) { return a > b ? a : b; }
inline int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }

// What all samples share, made once per call.
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
  Vec<T>* inputs;          // [inputs] lanes are samples; backward their gradients
  Vec<T>* outputs;         // [observables] lanes are samples
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
  Vec<T>* measured;        // [measured] as forward found them
  Vec<T>* term_values;     // [terms]
};

// The addresses of all arrays, for one arrangement of the lanes.
template <class T, int kLaneBits>
struct Workspace {
  using V = Vec<T>;
  using U = UintVec<T>;
  using Uint = typename Simd<T>::Uint;
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr bool kSampleLanes = kLaneBits == 0;

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
    task->inputs = bump->Take<V>(layout.n_inputs);
    task->outputs = bump->Take<V>(layout.n_observables);
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
    task->measured = bump->Take<V>(layout.n_measured);
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

  static int64_t KeptPlaces(int64_t batch) { return kSampleLanes ? Groups(batch) : batch; }
  static int64_t KeptNumbers(const Layout& layout) {
    return (2 * Vectors(layout) + 1) * kLanes;
  }

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
};

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_WORKSPACE_H_
