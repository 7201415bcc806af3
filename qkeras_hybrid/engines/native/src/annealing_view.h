// Plain structures that the annealing kernel reads; like view.h, without functions.
#ifndef QKERAS_HYBRID_NATIVE_ANNEALING_VIEW_H_
#define QKERAS_HYBRID_NATIVE_ANNEALING_VIEW_H_

#include <cstdint>

namespace qkeras_hybrid {

// Problems on one graph: E(s) = sum_i biases_i s_i + sum_{i<j} couplings_ij s_i s_j, s_i = +-1.
struct AnnealingProblems {
  int64_t n_spins, n_edges, batch;
  // The neighbours of spin i stand at [begin[i], begin[i + 1]), each with the number of its edge.
  const int64_t* begin;
  const int32_t* neighbours;
  const int32_t* edges;
  const float* biases;     // (batch, n_spins)
  const float* couplings;  // (n_edges), or (batch, n_edges)
  bool shared_couplings;
};

// One state is annealed for each of `reads` reads of each problem: replica = problem * reads + read.
struct AnnealingRequest {
  AnnealingProblems problems;
  int64_t reads;
  const float* inverse_temperatures;  // one for each sweep over all spins
  int64_t n_sweeps;
  int64_t seed;
  const int8_t* start;  // (batch, reads, n_spins), or null for random states
  int8_t* spins;        // (batch, reads, n_spins)
};

// What one instruction set offers. A task anneals `replicas_per_task` replicas side by side.
struct AnnealingKernels {
  int64_t replicas_per_task;
  int64_t (*task_bytes)(const AnnealingProblems& problems);
  void (*run)(const AnnealingRequest& request, int64_t task, void* workspace);
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_ANNEALING_VIEW_H_
