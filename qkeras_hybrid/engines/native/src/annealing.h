// Simulated annealing of a batch of problems on one graph.
#ifndef QKERAS_HYBRID_NATIVE_ANNEALING_H_
#define QKERAS_HYBRID_NATIVE_ANNEALING_H_

#include <cstdint>

#include "session.h"

namespace qkeras_hybrid {

// The arguments of `Anneal`; annealing_view.h describes the arrays.
struct AnnealingArrays {
  int64_t n_spins, n_edges, batch, reads, n_sweeps;
  const int64_t* edges;    // (n_edges, 2): the two spins of each
  const float* biases;     // (batch, n_spins)
  const float* couplings;  // (n_edges), or (batch, n_edges)
  bool shared_couplings;
  const float* inverse_temperatures;  // (n_sweeps)
  int64_t seed;
  const int8_t* start;  // (batch, reads, n_spins), or null for random states
  int8_t* spins;        // (batch, reads, n_spins)
};

Result Anneal(const AnnealingArrays& arrays);

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_ANNEALING_H_
