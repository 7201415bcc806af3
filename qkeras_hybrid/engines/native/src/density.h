// Evolves density matrices in the Pauli basis, forward and backward; see density_view.h.
//
// The lanes of a vector are samples, and a task runs one group of them. The gradient runs the
// circuit once more, keeps the states before some tiles, and goes back tile by tile. It can't go
// back by undoing steps, since noise, unlike a gate, can't be undone.
#ifndef QKERAS_HYBRID_NATIVE_DENSITY_H_
#define QKERAS_HYBRID_NATIVE_DENSITY_H_

#include "density_view.h"
#include "runner.h"
#include "simd.h"
#include "workspace.h"

namespace {

using qkeras_hybrid::DensityFactor;
using qkeras_hybrid::DensityKind;
using qkeras_hybrid::DensityLayout;
using qkeras_hybrid::DensityLocal;
using qkeras_hybrid::DensityNumbers;
using qkeras_hybrid::DensityOp;
using qkeras_hybrid::DensityRequest;
using qkeras_hybrid::DensitySparse;
using qkeras_hybrid::DensityTile;

// States with fewer vectors than this are not worth more than one thread.
constexpr int64_t kMinSplitDensity = 1024;

template <class T>
class DensityRunner {
  using V = Vec<T>;
  static constexpr int kLanes = Simd<T>::kLanes;
  // The rows X, Y, Z of a one-qubit matrix, four columns each.
  static constexpr int kLocal = 12;

 public:
  static uint64_t TaskBytes(const DensityLayout& layout, bool backward, int64_t checkpoint,
                            int parts) {
    DensityRunner runner(layout, backward, checkpoint, parts);
    Bump bump{0};
    runner.Lay(&bump);
    return bump.at;
  }

  static Status Run(const DensityRequest<T>& request) {
    const DensityLayout& layout = *request.layout;
    const bool backward = request.d_angles != nullptr;
    const int64_t groups = (request.batch + kLanes - 1) / kLanes;
    const int64_t threads = request.pool.threads;
    // Threads share a state if there are too few groups to keep all of them busy.
    const bool split = threads > 1 && groups < threads &&
                       (int64_t{1} << (2 * layout.n_qubits)) >= kMinSplitDensity;
    const int parts = split ? static_cast<int>(threads) : 1;
    int64_t tasks = split ? 1 : Min(threads, groups);
    if (request.max_tasks > 0) tasks = Min(tasks, request.max_tasks);
    Status status = Status::kOk;
    int64_t next_group = 0;
    auto run_task = [&](int64_t) {
      DensityRunner runner(layout, backward, request.checkpoint, parts);
      Bump measure{0};
      runner.Lay(&measure);
      void* memory = request.arena.take(request.arena.handle, measure.at);
      if (memory == nullptr) {
        __atomic_store_n(reinterpret_cast<int*>(&status), static_cast<int>(Status::kOutOfMemory),
                         __ATOMIC_RELAXED);
        return;
      }
      Bump bump{reinterpret_cast<uintptr_t>(memory)};
      runner.Lay(&bump);
      for (;;) {
        const int64_t group = __atomic_fetch_add(&next_group, 1, __ATOMIC_RELAXED);
        if (group >= groups) break;
        runner.RunGroup(request, group * kLanes);
      }
      request.arena.give(request.arena.handle, memory);
    };
    if (tasks <= 1) {
      run_task(0);
    } else {
      request.pool.run(request.pool.handle, tasks,
                       [](void* body, int64_t i) { (*static_cast<decltype(run_task)*>(body))(i); },
                       &run_task);
    }
    return status;
  }

 private:
  DensityRunner(const DensityLayout& layout, bool backward, int64_t checkpoint, int parts)
      : layout_(layout), backward_(backward), checkpoint_(checkpoint), parts_(parts) {}

  // Vectors that one thread works on: a tile before each of its operations and after the last,
  // and going backward the gradient of a tile.
  int64_t ScratchVectors() const {
    const int64_t buffers = backward_ ? int64_t{layout_.most_ops} + 2 : 2;
    return buffers * layout_.most_vectors;
  }

  void Lay(Bump* bump) {
    const int64_t size = int64_t{1} << (2 * layout_.n_qubits);
    n_states_ = 1;
    if (backward_) {
      // The kept states, those within the running segment, and the gradient.
      const int64_t segments = (layout_.n_tiles + checkpoint_ - 1) / checkpoint_;
      n_states_ = segments + checkpoint_;
    }
    states_ = bump->Take<V>(static_cast<uint64_t>(n_states_ * size));
    scratch_ = bump->Take<V>(static_cast<uint64_t>(parts_ * ScratchVectors()));
    coefficients_ = bump->Take<V>(layout_.n_slots);
    sums_ = bump->Take<V>(backward_ ? static_cast<uint64_t>(parts_) * layout_.n_slots : 0);
    products_ = bump->Take<V>(static_cast<uint64_t>(layout_.most_factors + 1) * kLocal);
    angles_ = bump->Take<double>(static_cast<uint64_t>(layout_.n_angles) * kLanes);
    slopes_ = bump->Take<V>(layout_.n_angles);
    poison_ = bump->Take<V>(1);
  }

  V* State(int64_t number) const { return states_ + (number << (2 * layout_.n_qubits)); }

  void RunGroup(const DensityRequest<T>& request, int64_t first) {
    request_ = &request;
    const int count = static_cast<int>(Min(kLanes, request.batch - first));
    LoadAngles(first, count);
    for (uint32_t i = 0; i < layout_.n_ops; ++i) Prepare(layout_.ops[i]);
    if (backward_) {
      Backward(first, count);
    } else {
      Start(State(0));
      for (uint32_t t = 0; t < layout_.n_tiles; ++t) Forward(layout_.tiles[t], State(0), State(0));
      for (uint32_t m = 0; m < layout_.n_measured; ++m) {
        const V value = State(0)[layout_.measured[m]] + *poison_;
        for (int i = 0; i < count; ++i) {
          request.values[(first + i) * layout_.n_measured + m] = value[i];
        }
      }
    }
  }

  // --- Coefficients

  void LoadAngles(int64_t first, int count) {
    const uint32_t n = layout_.n_angles;
    *poison_ = V{};
    for (uint32_t a = 0; a < n; ++a) {
      for (int i = 0; i < kLanes; ++i) {
        double angle = 0;
        if (i < count) {
          angle = static_cast<double>(request_->angles[(first + i) * n + a]);
          if (!IsFinite(angle)) {
            (*poison_)[i] = static_cast<T>(__builtin_nan(""));
            angle = 0;
          }
        }
        angles_[a * kLanes + i] = angle;
      }
    }
  }

  void Turn(uint32_t angle, double scale, V* c, V* s) const {
    CosSin<T>(TurnsOf<T>(angles_ + int64_t{angle} * kLanes, scale / kTurn), c, s);
  }

  // The matrices of one-qubit operations, or the cosine and sine of a rotation.
  void Prepare(const DensityOp& op) {
    switch (op.kind) {
      case DensityKind::kLocal:
        return Prepare(op.local);
      case DensityKind::kRotation:
        return Turn(op.angle, op.scale, coefficients_ + op.slot, coefficients_ + op.slot + 1);
      case DensityKind::kPair:
        Prepare(op.first);
        return Prepare(op.second);
      case DensityKind::kSparse:
        return;
    }
  }

  void Prepare(const DensityLocal& local) {
    Products(local);
    const V* last = products_ + local.n_factors * kLocal;
    V* const to = coefficients_ + local.slot;
    for (int i = 0; i < kLocal; ++i) to[i] = last[i];
  }

  // products_[k] is the product of the first k factors.
  void Products(const DensityLocal& op) {
    for (int i = 0; i < kLocal; ++i) products_[i] = Splat<T>(i % 5 == 1 ? T{1} : T{0});
    for (uint32_t k = 0; k < op.n_factors; ++k) {
      const DensityFactor& factor = op.factors[k];
      const V* m = products_ + k * kLocal;
      V* out = products_ + (k + 1) * kLocal;
      if (factor.axis == 0) {
        for (int row = 0; row < 3; ++row) {
          const double* e = factor.matrix + 4 * row;
          for (int j = 0; j < 4; ++j) {
            V sum = Splat<T>(j == 0 ? static_cast<T>(e[0]) : T{0});
            for (int k2 = 0; k2 < 3; ++k2) sum = sum + static_cast<T>(e[k2 + 1]) * m[4 * k2 + j];
            out[4 * row + j] = sum;
          }
        }
        continue;
      }
      V c, s;
      Turn(factor.angle, factor.scale, &c, &s);
      const int still = static_cast<int>(factor.axis) - 1;
      const int a = (still + 1) % 3, b = (still + 2) % 3;
      for (int j = 0; j < 4; ++j) {
        out[4 * still + j] = m[4 * still + j];
        out[4 * a + j] = c * m[4 * a + j] - s * m[4 * b + j];
        out[4 * b + j] = s * m[4 * a + j] + c * m[4 * b + j];
      }
    }
  }

  // --- Tiles

  // |0...0>: 1 for the strings of I and Z.
  void Start(V* state) const {
    const int64_t size = int64_t{1} << (2 * layout_.n_qubits);
    for (int64_t i = 0; i < size; ++i) {
      // Both bits of each digit are equal.
      const bool diagonal = ((i ^ (i >> 1)) & 0x5555555555555555) == 0;
      state[i] = Splat<T>(diagonal ? T{1} : T{0});
    }
  }

  // Calls body(base, scratch, part) for each place of a tile.
  template <class F>
  void ForBases(const DensityTile& tile, F body) {
    auto run_part = [&](int64_t part) {
      V* const scratch = scratch_ + part * ScratchVectors();
      const int64_t begin = tile.n_bases * part / parts_, end = tile.n_bases * (part + 1) / parts_;
      for (int64_t b = begin; b < end; ++b) {
        body(tile.bases[b], scratch, static_cast<int>(part));
      }
    };
    if (parts_ == 1) {
      run_part(0);
    } else {
      request_->pool.run(
          request_->pool.handle, parts_,
          [](void* body_of, int64_t i) { (*static_cast<decltype(run_part)*>(body_of))(i); },
          &run_part);
    }
  }

  void Forward(const DensityTile& tile, const V* from, V* to) {
    ForBases(tile, [&](uint32_t base, V* scratch, int) {
      for (uint32_t i = 0; i < tile.n_vectors; ++i) scratch[i] = from[base + tile.offsets[i]];
      V* here = scratch;
      V* there = scratch + layout_.most_vectors;
      for (uint32_t k = tile.op_begin; k < tile.op_end; ++k) {
        const DensityOp& op = layout_.ops[k];
        if (op.kind == DensityKind::kLocal || op.kind == DensityKind::kPair) {
          Apply(op, here, here);
          continue;
        }
        Apply(op, here, there);
        V* const swap = here;
        here = there;
        there = swap;
      }
      for (uint32_t i = 0; i < tile.n_vectors; ++i) to[base + tile.offsets[i]] = here[i];
    });
  }

  void Apply(const DensityOp& op, const V* from, V* to) const {
    switch (op.kind) {
      case DensityKind::kLocal:
        return ApplyLocal(op, from, to);
      case DensityKind::kRotation:
        return ApplyRotation(op, from, to);
      case DensityKind::kSparse:
        return ApplySparse(op.forward, op, from, to);
      case DensityKind::kPair:
        return ApplyPair(op, from, to);
    }
  }

  static const T* Numbers(const DensityNumbers& numbers) {
    if constexpr (sizeof(T) == 8) {
      return numbers.twice;
    } else {
      return numbers.single;
    }
  }

  // Multiplies the four numbers of a qubit, `s` apart, with its matrix.
  static void MultiplyLocal(const V* m, bool unital, const V* x, V* y, uint32_t s) {
    const V x1 = x[s], x2 = x[2 * s], x3 = x[3 * s];
    V y1 = m[1] * x1 + m[2] * x2 + m[3] * x3;
    V y2 = m[5] * x1 + m[6] * x2 + m[7] * x3;
    V y3 = m[9] * x1 + m[10] * x2 + m[11] * x3;
    const V x0 = x[0];
    if (!unital) {
      y1 = y1 + m[0] * x0;
      y2 = y2 + m[4] * x0;
      y3 = y3 + m[8] * x0;
    }
    y[0] = x0;
    y[s] = y1;
    y[2 * s] = y2;
    y[3 * s] = y3;
  }

  // The same with the transpose of the matrix.
  static void BackLocal(const V* m, bool unital, V* l, uint32_t s) {
    const V l1 = l[s], l2 = l[2 * s], l3 = l[3 * s];
    if (!unital) l[0] = l[0] + m[0] * l1 + m[4] * l2 + m[8] * l3;
    l[s] = m[1] * l1 + m[5] * l2 + m[9] * l3;
    l[2 * s] = m[2] * l1 + m[6] * l2 + m[10] * l3;
    l[3 * s] = m[3] * l1 + m[7] * l2 + m[11] * l3;
  }

  // Adds to the gradient of a matrix the products of its rows' gradient and its columns.
  static void AddLocal(bool unital, const V* x, const V* l, uint32_t s, V* g) {
    const V x1 = x[s], x2 = x[2 * s], x3 = x[3 * s];
    const V l1 = l[s], l2 = l[2 * s], l3 = l[3 * s];
    g[1] = g[1] + l1 * x1;
    g[2] = g[2] + l1 * x2;
    g[3] = g[3] + l1 * x3;
    g[5] = g[5] + l2 * x1;
    g[6] = g[6] + l2 * x2;
    g[7] = g[7] + l2 * x3;
    g[9] = g[9] + l3 * x1;
    g[10] = g[10] + l3 * x2;
    g[11] = g[11] + l3 * x3;
    if (!unital) {
      const V x0 = x[0];
      g[0] = g[0] + l1 * x0;
      g[4] = g[4] + l2 * x0;
      g[8] = g[8] + l3 * x0;
    }
  }

  void LoadMatrix(const DensityLocal& local, V* m) const {
    QH_UNROLL
    for (int i = 0; i < kLocal; ++i) m[i] = coefficients_[local.slot + i];
  }

  void ApplyLocal(const DensityOp& op, const V* from, V* to) const {
    const uint32_t s = op.stride;
    const bool unital = op.local.unital;
    V m[kLocal];
    LoadMatrix(op.local, m);
    // The digits below this one run fastest: `s` vectors lie side by side.
    for (uint32_t b = 0; b < op.n_bases; b += s) {
      const V* x = from + op.bases[b];
      V* y = to + op.bases[b];
      for (uint32_t i = 0; i < s; ++i) MultiplyLocal(m, unital, x + i, y + i, s);
    }
  }

  void ApplyPair(const DensityOp& op, const V* from, V* to) const {
    const T* const factors = Numbers(op.factors);
    const bool unital = op.first.unital && op.second.unital;
    V first[kLocal], second[kLocal];
    LoadMatrix(op.first, first);
    LoadMatrix(op.second, second);
    for (uint32_t b = 0; b < op.n_bases; ++b) {
      V x[16];
      LoadPair(from + op.bases[b], op.sources, x);
      if (op.second.n_factors != 0) MultiplySecond(second, unital, x);
      if (op.first.n_factors != 0) MultiplyFirst(first, unital, x);
      V* const y = to + op.bases[b];
      QH_UNROLL
      for (int i = 0; i < 16; ++i) y[op.targets[i]] = factors[i] * x[i];
    }
  }

  static void LoadPair(const V* from, const uint32_t* sources, V* x) {
    QH_UNROLL
    for (int i = 0; i < 16; ++i) x[i] = from[sources[i]];
  }
  static void MultiplySecond(const V* m, bool unital, V* x) {
    for (int i = 0; i < 16; i += 4) MultiplyLocal(m, unital, x + i, x + i, 1);
  }
  static void MultiplyFirst(const V* m, bool unital, V* x) {
    for (int i = 0; i < 4; ++i) MultiplyLocal(m, unital, x + i, x + i, 4);
  }

  void ApplyRotation(const DensityOp& op, const V* from, V* to) const {
    const V c = coefficients_[op.slot], s = coefficients_[op.slot + 1];
    const T* const signs = Numbers(op.pair_sign);
    for (uint32_t b = 0; b < op.n_bases; ++b) {
      const V* x = from + op.bases[b];
      V* y = to + op.bases[b];
      for (uint32_t i = 0; i < op.n_still; ++i) y[op.still[i]] = x[op.still[i]];
      for (uint32_t p = 0; p < op.n_pairs; ++p) {
        const V xa = x[op.pair_a[p]], xb = x[op.pair_b[p]];
        const V turn = signs[p] * s;
        y[op.pair_a[p]] = c * xa - turn * xb;
        y[op.pair_b[p]] = turn * xa + c * xb;
      }
    }
  }

  static void ApplySparse(const DensitySparse& matrix, const DensityOp& op, const V* from, V* to) {
    const T* const values = Numbers(matrix.values);
    for (uint32_t b = 0; b < op.n_bases; ++b) {
      const V* x = from + op.bases[b];
      V* y = to + op.bases[b];
      for (uint32_t row = 0; row < matrix.n_rows; ++row) {
        V sum{};
        for (uint32_t e = matrix.row_begin[row]; e < matrix.row_begin[row + 1]; ++e) {
          sum = sum + values[e] * x[matrix.columns[e]];
        }
        y[matrix.row_offsets[row]] = sum;
      }
    }
  }

  // --- Backward

  void Backward(int64_t first, int count) {
    const int64_t n_tiles = layout_.n_tiles, size = int64_t{1} << (2 * layout_.n_qubits);
    const int64_t segments = (n_tiles + checkpoint_ - 1) / checkpoint_;
    V* const lambda = State(n_states_ - 1);
    for (int64_t i = 0; i < parts_ * int64_t{layout_.n_slots}; ++i) sums_[i] = V{};
    // Forward: the state before each segment is kept.
    Start(State(0));
    for (int64_t segment = 0; segment + 1 < segments; ++segment) {
      const V* from = State(segment);
      for (int64_t t = segment * checkpoint_; t < (segment + 1) * checkpoint_; ++t) {
        Forward(layout_.tiles[t], from, State(segment + 1));
        from = State(segment + 1);
      }
    }
    for (int64_t i = 0; i < size; ++i) lambda[i] = V{};
    for (uint32_t m = 0; m < layout_.n_measured; ++m) {
      V& place = lambda[layout_.measured[m]];
      for (int i = 0; i < count; ++i) {
        place[i] += request_->upstream[(first + i) * layout_.n_measured + m];
      }
    }
    for (int64_t segment = segments - 1; segment >= 0; --segment) {
      const int64_t begin = segment * checkpoint_, end = Min(begin + checkpoint_, n_tiles);
      // The states before the segment's tiles, the first of which is kept.
      auto before = [&](int64_t t) {
        return State(t == begin ? segment : segments + t - begin - 1);
      };
      for (int64_t t = begin; t + 1 < end; ++t) {
        Forward(layout_.tiles[t], before(t), before(t + 1));
      }
      for (int64_t t = end - 1; t >= begin; --t) BackTile(layout_.tiles[t], before(t), lambda);
    }
    StoreSlopes(first, count);
  }

  void BackTile(const DensityTile& tile, const V* state, V* lambda) {
    const uint32_t n = tile.n_vectors;
    const int64_t most = layout_.most_vectors;
    ForBases(tile, [&](uint32_t base, V* scratch, int part) {
      for (uint32_t i = 0; i < n; ++i) scratch[i] = state[base + tile.offsets[i]];
      // The tile before each operation, and after the last.
      for (uint32_t k = tile.op_begin; k < tile.op_end; ++k) {
        V* const here = scratch + (k - tile.op_begin) * most;
        Apply(layout_.ops[k], here, here + most);
      }
      V* slope = scratch + (int64_t{layout_.most_ops} + 1) * most;
      for (uint32_t i = 0; i < n; ++i) slope[i] = lambda[base + tile.offsets[i]];
      V* const sums = sums_ + part * int64_t{layout_.n_slots};
      for (uint32_t k = tile.op_end; k-- > tile.op_begin;) {
        const DensityOp& op = layout_.ops[k];
        V* const before = scratch + (k - tile.op_begin) * most;
        V* const after = before + most;
        switch (op.kind) {
          case DensityKind::kLocal:
            BackLocals(op, before, slope, sums + op.local.slot);
            break;
          case DensityKind::kPair:
            BackPair(op, before, slope, sums);
            break;
          case DensityKind::kRotation:
            BackRotation(op, after, slope, sums + op.slot);
            break;
          case DensityKind::kSparse:
            // The values after the operation are no longer needed.
            ApplySparse(op.backward, op, slope, after);
            for (uint32_t i = 0; i < n; ++i) slope[i] = after[i];
            break;
        }
      }
      for (uint32_t i = 0; i < n; ++i) lambda[base + tile.offsets[i]] = slope[i];
    });
  }

  void BackLocals(const DensityOp& op, const V* before, V* slope, V* sums) const {
    const uint32_t s = op.stride;
    const bool unital = op.local.unital;
    V m[kLocal], g[kLocal] = {};
    LoadMatrix(op.local, m);
    for (uint32_t b = 0; b < op.n_bases; b += s) {
      const V* x = before + op.bases[b];
      V* l = slope + op.bases[b];
      if (op.local.varies) {
        for (uint32_t i = 0; i < s; ++i) AddLocal(unital, x + i, l + i, s, g);
      }
      for (uint32_t i = 0; i < s; ++i) BackLocal(m, unital, l + i, s);
    }
    for (int i = 0; i < kLocal; ++i) sums[i] = sums[i] + g[i];
  }

  void BackPair(const DensityOp& op, const V* before, V* slope, V* sums) const {
    const T* const factors = Numbers(op.factors);
    const bool unital = op.first.unital && op.second.unital;
    V first[kLocal], second[kLocal], g_first[kLocal] = {}, g_second[kLocal] = {};
    LoadMatrix(op.first, first);
    LoadMatrix(op.second, second);
    for (uint32_t b = 0; b < op.n_bases; ++b) {
      V* const l = slope + op.bases[b];
      V back[16], x[16], between[16];
      QH_UNROLL
      for (int i = 0; i < 16; ++i) back[i] = factors[i] * l[op.targets[i]];
      LoadPair(before + op.bases[b], op.sources, x);
      if (op.first.n_factors != 0) {
        if (op.first.varies) {
          QH_UNROLL
          for (int i = 0; i < 16; ++i) between[i] = x[i];
          if (op.second.n_factors != 0) MultiplySecond(second, unital, between);
          for (int i = 0; i < 4; ++i) AddLocal(unital, between + i, back + i, 4, g_first);
        }
        for (int i = 0; i < 4; ++i) BackLocal(first, unital, back + i, 4);
      }
      if (op.second.n_factors != 0) {
        if (op.second.varies) {
          for (int i = 0; i < 16; i += 4) AddLocal(unital, x + i, back + i, 1, g_second);
        }
        for (int i = 0; i < 16; i += 4) BackLocal(second, unital, back + i, 1);
      }
      QH_UNROLL
      for (int i = 0; i < 16; ++i) l[op.sources[i]] = back[i];
    }
    for (int i = 0; i < kLocal; ++i) {
      sums[op.first.slot + i] = sums[op.first.slot + i] + g_first[i];
      sums[op.second.slot + i] = sums[op.second.slot + i] + g_second[i];
    }
  }

  // With a and b after the turn, da/dangle = -sign b and db/dangle = sign a.
  void BackRotation(const DensityOp& op, const V* after, V* slope, V* sums) const {
    const V c = coefficients_[op.slot], s = coefficients_[op.slot + 1];
    const T* const signs = Numbers(op.pair_sign);
    V sum{};
    for (uint32_t b = 0; b < op.n_bases; ++b) {
      const V* x = after + op.bases[b];
      V* l = slope + op.bases[b];
      for (uint32_t p = 0; p < op.n_pairs; ++p) {
        const uint32_t i = op.pair_a[p], j = op.pair_b[p];
        const T sign = signs[p];
        const V la = l[i], lb = l[j];
        sum = sum + sign * (lb * x[i] - la * x[j]);
        const V turn = sign * s;
        l[i] = c * la + turn * lb;
        l[j] = c * lb - turn * la;
      }
    }
    sums[0] = sums[0] + sum;
  }

  void StoreSlopes(int64_t first, int count) {
    const uint32_t n_slots = layout_.n_slots;
    for (int part = 1; part < parts_; ++part) {
      for (uint32_t i = 0; i < n_slots; ++i) sums_[i] = sums_[i] + sums_[part * n_slots + i];
    }
    for (uint32_t a = 0; a < layout_.n_angles; ++a) slopes_[a] = *poison_;
    for (uint32_t k = 0; k < layout_.n_ops; ++k) {
      const DensityOp& op = layout_.ops[k];
      switch (op.kind) {
        case DensityKind::kLocal:
          LocalSlopes(op.local);
          break;
        case DensityKind::kRotation:
          slopes_[op.angle] = slopes_[op.angle] + static_cast<T>(op.scale) * sums_[op.slot];
          break;
        case DensityKind::kPair:
          LocalSlopes(op.first);
          LocalSlopes(op.second);
          break;
        case DensityKind::kSparse:
          break;
      }
    }
    for (uint32_t a = 0; a < layout_.n_angles; ++a) {
      for (int i = 0; i < count; ++i) {
        request_->d_angles[(first + i) * layout_.n_angles + a] = slopes_[a][i];
      }
    }
  }

  // Turns the gradient of the product into those of its angles, from the last factor to the first.
  void LocalSlopes(const DensityLocal& op) {
    if (!op.varies) return;
    V* const g = sums_ + op.slot;
    Products(op);
    for (uint32_t k = op.n_factors; k-- > 0;) {
      const DensityFactor& factor = op.factors[k];
      const V* out = products_ + (k + 1) * kLocal;
      if (factor.axis == 0) {
        V back[kLocal];
        for (int row = 0; row < 3; ++row) {
          for (int j = 0; j < 4; ++j) {
            V sum{};
            for (int i = 0; i < 3; ++i) {
              sum = sum + static_cast<T>(factor.matrix[4 * i + row + 1]) * g[4 * i + j];
            }
            back[4 * row + j] = sum;
          }
        }
        for (int i = 0; i < kLocal; ++i) g[i] = back[i];
        continue;
      }
      V c, s;
      Turn(factor.angle, factor.scale, &c, &s);
      const int still = static_cast<int>(factor.axis) - 1;
      const int a = (still + 1) % 3, b = (still + 2) % 3;
      V sum{};
      for (int j = 0; j < 4; ++j) {
        const V ga = g[4 * a + j], gb = g[4 * b + j];
        sum = sum + gb * out[4 * a + j] - ga * out[4 * b + j];
        g[4 * a + j] = c * ga + s * gb;
        g[4 * b + j] = c * gb - s * ga;
      }
      slopes_[factor.angle] = slopes_[factor.angle] + static_cast<T>(factor.scale) * sum;
    }
  }

  const DensityLayout& layout_;
  const bool backward_;
  const int64_t checkpoint_;
  const int parts_;
  const DensityRequest<T>* request_ = nullptr;
  int64_t n_states_ = 1;
  V* states_ = nullptr;
  V* scratch_ = nullptr;
  V* coefficients_ = nullptr;
  V* sums_ = nullptr;      // [parts][slots] the gradient of the coefficients
  V* products_ = nullptr;
  double* angles_ = nullptr;
  V* slopes_ = nullptr;
  V* poison_ = nullptr;    // 0, or NaN in the lanes of samples with an angle that is not finite
};

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_DENSITY_H_
