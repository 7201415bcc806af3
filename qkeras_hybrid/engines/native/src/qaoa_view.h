// What the kernels of the quantum approximate optimization algorithm read; see view.h for why these
// are plain structures.
#ifndef QKERAS_HYBRID_NATIVE_QAOA_VIEW_H_
#define QKERAS_HYBRID_NATIVE_QAOA_VIEW_H_

#include "view.h"

namespace qkeras_hybrid {

// Each sample has one row of parameters: its fields (none, or n_qubits), then n_layers angles gamma,
// then n_layers angles beta. With the spins s_i = +1 for a qubit in |0>, its costs are
//
//   C(z) = costs[z] + sum_i field_i s_i(z),
//
// and its state is the initial state after all layers, each of which applies exp(-i gamma C) and then
// the mixer. Qubit 0 is the most significant bit of z.
template <class T>
struct QaoaRequest {
  int64_t n_qubits, n_layers, n_fields;
  // The mixer: exp(-i beta X) on every qubit if there are no pairs; otherwise
  // exp(-i beta (XX + YY) / 2) on each pair of qubits, in order.
  int64_t n_pairs;
  const int64_t* pairs;  // (n_pairs, 2)
  const double* costs;   // (2^n,)
  const double* start;   // (2^n, 2), real and imaginary parts, or null for the uniform state
  // Whether a flip of all qubits does not change the costs, there are no fields, no pairs and no
  // start, and at least kKeptQubits qubits. Then half of each state is enough.
  bool even;
  Pool pool;
  Arena arena;
  int64_t max_tasks;     // samples at a time, each with memory of its own
  int64_t batch;
  const T* parameters;   // (batch, n_fields + 2 n_layers)

  // Forward; each may be null.
  T* values;             // (batch, n_qubits + 1): means of the spins, then that of C
  T* probabilities;      // (batch, 2^n)

  // The final states, (batch, 2, 2^n): real parts, then imaginary parts; the first half of even
  // states, (batch, 2, 2^(n-1)). The forward pass writes them, and the backward pass reads them
  // instead of repeating the forward pass. Null for none; there are none below kKeptQubits.
  T* keep;
  const T* kept;

  // Backward, if d_parameters is there: the gradients of these, each of which may be null.
  const T* d_values;
  const T* d_probabilities;
  T* d_parameters;       // (batch, n_fields + 2 n_layers)
};

// With fewer qubits, a state may be smaller than the vectors that hold it, and is quickly made.
constexpr int64_t kKeptQubits = 10;

template <class T>
struct QaoaKernels {
  // Bytes that one sample takes.
  uint64_t (*task_bytes)(int64_t n_qubits, bool even, bool backward);
  Status (*run)(const QaoaRequest<T>&);
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_QAOA_VIEW_H_
