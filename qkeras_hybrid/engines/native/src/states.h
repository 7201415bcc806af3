// State vectors in and out, in the order of the basis states.
#ifndef QKERAS_HYBRID_NATIVE_STATES_H_
#define QKERAS_HYBRID_NATIVE_STATES_H_

#include "runner.h"
#include "simd.h"
#include "view.h"

namespace {

// The index of the basis state that lies at `index` of the storage.
template <class T, int kLaneBits>
uint64_t Runner<T, kLaneBits>::BasisState(uint64_t index) const {
  uint64_t state = 0;
  for (uint32_t q = 0; q < layout_.n_qubits; ++q) {
    state = state << 1 | (OddParity(layout_.reads[q] & index) ^ layout_.read_offsets[q]);
  }
  return state;
}

// Calls body(place in a (2^n, 2) array, vector, lane or sample).
template <class T, int kLaneBits>
template <class F>
void Runner<T, kLaneBits>::ForAmplitudes(int count, F body) const {
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

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreState(int64_t first, int count) const {
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
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::LoadLambda(int64_t first, int count) {
  const T* from = request_.state_upstream + (static_cast<uint64_t>(first) << layout_.n_qubits) * 2;
  V* lambda = task_.lambda;
  for (int64_t k = 0; k < 2 * n_vectors_; ++k) lambda[k] = V{};
  ForAmplitudes(count, [=](uint64_t at, int64_t k, int i) {
    lambda[2 * k][i] = T{0.5} * from[at];
    lambda[2 * k + 1][i] = T{0.5} * from[at + 1];
  });
}

// Through memcpy, as what is kept need not be aligned as vectors are.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreKept(int64_t first) const {
  T* to = request_.kept + KeptPlace(first);
  ForParts(2 * n_vectors_, [=](int64_t begin, int64_t end, int) {
    __builtin_memcpy(to + begin * kLanes, task_.psi + begin, (end - begin) * sizeof(V));
  });
  __builtin_memcpy(to + 2 * n_vectors_ * kLanes, &psi_scale_, sizeof(V));
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::LoadKept(int64_t first) {
  const T* from = request_.given_kept + KeptPlace(first);
  ForParts(2 * n_vectors_, [=](int64_t begin, int64_t end, int) {
    __builtin_memcpy(task_.psi + begin, from + begin * kLanes, (end - begin) * sizeof(V));
  });
  __builtin_memcpy(&psi_scale_, from + 2 * n_vectors_ * kLanes, sizeof(V));
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_STATES_H_
