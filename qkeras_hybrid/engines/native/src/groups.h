// A group of samples: its angles that depend on inputs, and the output of its results.
#ifndef QKERAS_HYBRID_NATIVE_GROUPS_H_
#define QKERAS_HYBRID_NATIVE_GROUPS_H_

#include "runner.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::ChainGate;
using qkeras_hybrid::Entry;
using qkeras_hybrid::Row;

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

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::RunGroup(int64_t group) {
  const int64_t size = Space::GroupSize(request_.batch), first = group * size;
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

// Angles that depend on inputs, for the samples of a group in the lanes.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::GroupAngles(int64_t first, int count) {
  V poison = Splat(static_cast<T>(shared_.poison));
  LoadColumns(request_.inputs + first * layout_.n_inputs, layout_.n_inputs, count, task_.inputs);
  // Zero, or NaN where an input is not finite.
  for (uint32_t k = 0; k < layout_.n_inputs; ++k) {
    poison = poison + (task_.inputs[k] - task_.inputs[k]);
  }
  for (uint32_t r = 0; r < layout_.n_rows; ++r) {
    const Row& row = layout_.rows[r];
    if (row.n_inputs == 0) continue;
    double* theta = task_.row_theta + r * kLanes;
    for (int i = 0; i < kLanes; ++i) theta[i] = shared_.theta[r];
    for (uint32_t k = 0; k < row.n_inputs; ++k) {
      const double coefficient = row.summands[k].coefficient;
      const T* input = reinterpret_cast<const T*>(task_.inputs + row.summands[k].index);
      for (int i = 0; i < kLanes; ++i) theta[i] += coefficient * static_cast<double>(input[i]);
    }
    V excess;
    T* to = reinterpret_cast<T*>(&excess);
    for (int i = 0; i < kLanes; ++i) {
      // Not zero where the sum is not finite, even if its summands are.
      const double none = theta[i] - theta[i];
      to[i] = static_cast<T>(none);
      theta[i] = none == 0 ? theta[i] : 0;
    }
    poison = poison + excess;
    CosSin<T>(TurnsOf<T>(theta, 0.5 / kTurn), &task_.row_cos[r], &task_.row_sin[r]);
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

// Loads the columns of a matrix, one sample per lane, and stores them. Both go through memory, since
// setting lanes one by one is slow.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::LoadColumns(const T* from, uint32_t n, int count, V* columns) {
  for (uint32_t k = 0; k < n; ++k) columns[k] = V{};
  T* to = reinterpret_cast<T*>(columns);
  for (int i = 0; i < count; ++i, from += n) {
    for (uint32_t k = 0; k < n; ++k) to[k * kLanes + i] = from[k];
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreColumns(const V* columns, uint32_t n, int count, T* to) {
  const T* from = reinterpret_cast<const T*>(columns);
  for (int i = 0; i < count; ++i, to += n) {
    for (uint32_t k = 0; k < n; ++k) to[k] = from[k * kLanes + i];
  }
}

template <class T, int kLaneBits>
Vec<T> Runner<T, kLaneBits>::EntryFactor(const Entry& entry, bool derivative) const {
  if (entry.function == 0) return Splat(derivative ? T{0} : T{1});
  const V c = RowCos(entry.row), s = RowSin(entry.row);
  const V cosine = c * c - s * s, sine = T{2} * c * s;
  if (entry.function == 1) return derivative ? -sine : cosine;
  return derivative ? cosine : sine;
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreExpectations(int64_t first, int count) {
  const uint32_t n_measured = layout_.n_measured, n = layout_.n_observables;
  StoreColumns(task_.values, n_measured, count, request_.measured + first * n_measured);
  for (uint32_t o = 0; o < n; ++o) task_.outputs[o] = *task_.poison;
  for (uint32_t e = 0; e < layout_.n_entries; ++e) {
    const Entry& entry = layout_.entries[e];
    const V value = static_cast<T>(entry.coefficient) * EntryFactor(entry, false) *
                    task_.values[entry.measured];
    task_.outputs[entry.observable] = task_.outputs[entry.observable] + value;
  }
  StoreColumns(task_.outputs, n, count, request_.expectations + first * n);
}

// The upstream gradient of each measured string, and the gradient of the factor of this string.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::WeighMeasured(int64_t first, int count) {
  const uint32_t n_measured = layout_.n_measured, n = layout_.n_observables;
  LoadColumns(request_.upstream + first * n, n, count, task_.outputs);
  LoadColumns(request_.given_measured + first * n_measured, n_measured, count, task_.measured);
  for (uint32_t e = 0; e < layout_.n_entries; ++e) {
    const Entry& entry = layout_.entries[e];
    const V upstream = task_.outputs[entry.observable] * static_cast<T>(entry.coefficient);
    task_.values[entry.measured] =
        task_.values[entry.measured] + upstream * EntryFactor(entry, false);
    if (entry.function != 0) {
      task_.row_gradient[entry.row] =
          task_.row_gradient[entry.row] +
          upstream * EntryFactor(entry, true) * task_.measured[entry.measured];
    }
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreGradients(int64_t group, int64_t first, int count) {
  double* partial = shared_.partial + group * layout_.n_rows;
  for (uint32_t k = 0; k < layout_.n_inputs; ++k) task_.inputs[k] = *task_.poison;
  for (uint32_t r = 0; r < layout_.n_rows; ++r) {
    const Row& row = layout_.rows[r];
    const V gradient = task_.row_gradient[r] + *task_.poison;
    // In the lanes without a sample the gradient is zero.
    partial[r] = SumLanesInDouble<T>(gradient);
    for (uint32_t k = 0; k < row.n_inputs; ++k) {
      V* to = task_.inputs + row.summands[k].index;
      *to = *to + static_cast<T>(row.summands[k].coefficient) * gradient;
    }
  }
  if (request_.d_inputs != nullptr) {
    const uint32_t n = layout_.n_inputs;
    StoreColumns(task_.inputs, n, count, request_.d_inputs + first * n);
  }
}

// Gradients of the gates of the product start, samples in the lanes: walk back through each
// bit's column with the gradient of the column beside it.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::ChainGradient() {
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

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_GROUPS_H_
