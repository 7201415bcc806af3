// A group of samples: its angles with inputs in them, and the way of its results out.
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

// Angles with inputs in them, for the samples of a group in the lanes.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::GroupAngles(int64_t first, int count) {
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

// A column of a matrix, a sample a lane. Through memory: setting lanes one by one is slow.
template <class T, int kLaneBits>
Vec<T> Runner<T, kLaneBits>::LoadColumn(const T* from, int64_t stride, int count) {
  V lanes[1] = {};
  T* to = reinterpret_cast<T*>(lanes);
  for (int i = 0; i < count; ++i) to[i] = from[i * stride];
  return lanes[0];
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
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::WeighMeasured(int64_t first, int count) {
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

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreGradients(int64_t group, int64_t first, int count) {
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
