// Simulated annealing of many replicas side by side: each lane of a vector is one replica.
//
// A sweep visits the spins in order and flips each with the Metropolis probability. All replicas of
// a task visit the same spin at the same time, so they share the graph and differ only in their
// numbers. No replica waits for another, since a flip is a select instead of a branch.
#ifndef QKERAS_HYBRID_NATIVE_ANNEAL_H_
#define QKERAS_HYBRID_NATIVE_ANNEAL_H_

#include <algorithm>

#include "annealing_view.h"
#include "philox.h"
#include "simd.h"

namespace {

using qkeras_hybrid::AnnealingProblems;
using qkeras_hybrid::AnnealingRequest;

// Random bits for each lane: xoshiro128+, Blackman and Vigna (2021), "Scrambled linear
// pseudorandom number generators", https://doi.org/10.1145/3460772. Its lowest bits are weak, and
// not used here.
class LaneRandom {
 public:
  using U = UintVec<float>;

  // Lane i gets a stream of its own, by a seed and the number first + i.
  void Seed(int64_t seed, int64_t first) {
    for (int lane = 0; lane < Simd<float>::kLanes; ++lane) {
      const int64_t stream[2] = {seed, first + lane};
      const qkeras_hybrid::PhiloxBlock block = qkeras_hybrid::Philox(stream, 0);
      for (int i = 0; i < 4; ++i) state_[i][lane] = block.words[i];
      state_[0][lane] |= 1;  // a state of zeros would stay there
    }
  }

  U Next() {
    const U result = state_[0] + state_[3];
    const U shifted = state_[1] << 9;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = (state_[3] << 11) | (state_[3] >> 21);
    return result;
  }

 private:
  U state_[4];
};

// The binary logarithm of a uniform number in (0, 1) made of the 24 upper random bits. The
// polynomial is the Chebyshev fit of log2(1 + t) on [0, 1), with an error below 3e-6.
inline Vec<float> LogUniform(UintVec<float> bits) {
  using V = Vec<float>;
  using I = IntVec<float>;
  const V number = __builtin_convertvector((I)(bits >> 8), V) + 0.5f;
  const I raw = (I)number;
  const V exponent = __builtin_convertvector((raw >> 23) - (127 + 24), V);
  const V t = (V)((raw & 0x7fffff) | 0x3f800000) - 1.0f;
  const V p = (((((-0.0251232033f * t + 0.1192982377f) * t - 0.2746232576f) * t + 0.4555270881f) * t -
                0.7175578724f) * t + 1.4424753148f) * t + 2.1237408907e-6f;
  return exponent + p;
}

template <int kUnits>
struct Annealer {
  using V = Vec<float>;
  using U = UintVec<float>;
  static constexpr int kLanes = Simd<float>::kLanes;
  static constexpr int kReplicas = kUnits * kLanes;

  static int64_t TaskBytes(const AnnealingProblems& problems) {
    const int64_t columns =
        2 * problems.n_spins + (problems.shared_couplings ? 0 : problems.n_edges);
    return columns * kReplicas * static_cast<int64_t>(sizeof(float));
  }

  static void Run(const AnnealingRequest& request, int64_t task, void* workspace) {
    const AnnealingProblems& problems = request.problems;
    const int64_t n = problems.n_spins, first = task * kReplicas;
    V* const spins = static_cast<V*>(workspace);
    V* const biases = spins + n * kUnits;
    V* const couplings = biases + n * kUnits;
    Load(request, first, reinterpret_cast<float*>(biases), reinterpret_cast<float*>(couplings));
    LaneRandom random[kUnits];
    for (int u = 0; u < kUnits; ++u) random[u].Seed(request.seed, first + u * kLanes);
    Start(request, first, random, spins);
    for (int64_t sweep = 0; sweep < request.n_sweeps; ++sweep) {
      const float beta = request.inverse_temperatures[sweep];
      if (problems.shared_couplings) {
        Sweep<true>(problems, beta, biases, problems.couplings, random, spins);
      } else {
        Sweep<false>(problems, beta, biases, reinterpret_cast<float*>(couplings), random, spins);
      }
    }
    Store(request, first, reinterpret_cast<const float*>(spins));
  }

 private:
  // The last task may have fewer replicas than lanes; then the other lanes repeat its last problem.
  static int64_t ProblemOf(const AnnealingRequest& request, int64_t replica) {
    return std::min(replica / request.reads, request.problems.batch - 1);
  }

  // Spreads the numbers of each replica's problem over its lane.
  static void Load(const AnnealingRequest& request, int64_t first, float* biases,
                   float* couplings) {
    const AnnealingProblems& problems = request.problems;
    for (int lane = 0; lane < kReplicas; ++lane) {
      const int64_t problem = ProblemOf(request, first + lane);
      const float* const own = problems.biases + problem * problems.n_spins;
      for (int64_t i = 0; i < problems.n_spins; ++i) biases[i * kReplicas + lane] = own[i];
      if (problems.shared_couplings) continue;
      const float* const edges = problems.couplings + problem * problems.n_edges;
      for (int64_t e = 0; e < problems.n_edges; ++e) couplings[e * kReplicas + lane] = edges[e];
    }
  }

  static void Start(const AnnealingRequest& request, int64_t first, LaneRandom* random, V* spins) {
    const int64_t n = request.problems.n_spins;
    if (request.start == nullptr) {
      // The upper bit of a random number is the sign.
      const U one = (U)Splat(1.0f);
      for (int64_t i = 0; i < n; ++i) {
        for (int u = 0; u < kUnits; ++u) {
          spins[i * kUnits + u] = (V)(one | (random[u].Next() & 0x80000000u));
        }
      }
      return;
    }
    float* const lanes = reinterpret_cast<float*>(spins);
    const int64_t last = request.problems.batch * request.reads - 1;
    for (int lane = 0; lane < kReplicas; ++lane) {
      const int8_t* const own = request.start + std::min(first + lane, last) * n;
      for (int64_t i = 0; i < n; ++i) lanes[i * kReplicas + lane] = own[i];
    }
  }

  template <bool kShared>
  static void Sweep(const AnnealingProblems& problems, float beta, const V* biases,
                    const float* couplings, LaneRandom* random, V* spins) {
    // A flip of s changes the energy by -2 s f, where f is the field on it. It is accepted if
    // u < exp(2 beta s f), that is, if log2(u) < (2 beta / ln 2) s f.
    const float scale = beta * 2.8853900817779268f;
    for (int64_t i = 0; i < problems.n_spins; ++i) {
      V field[kUnits];
      QH_UNROLL
      for (int u = 0; u < kUnits; ++u) field[u] = biases[i * kUnits + u];
      for (int64_t k = problems.begin[i]; k < problems.begin[i + 1]; ++k) {
        const V* const other = spins + static_cast<int64_t>(problems.neighbours[k]) * kUnits;
        if constexpr (kShared) {
          const float coupling = couplings[problems.edges[k]];
          QH_UNROLL
          for (int u = 0; u < kUnits; ++u) field[u] += coupling * other[u];
        } else {
          const V* const coupling = reinterpret_cast<const V*>(couplings) +
                                    static_cast<int64_t>(problems.edges[k]) * kUnits;
          QH_UNROLL
          for (int u = 0; u < kUnits; ++u) field[u] += coupling[u] * other[u];
        }
      }
      QH_UNROLL
      for (int u = 0; u < kUnits; ++u) {
        const V spin = spins[i * kUnits + u];
        const U flip = (U)(LogUniform(random[u].Next()) < scale * (spin * field[u]));
        spins[i * kUnits + u] = (V)((U)spin ^ (flip & 0x80000000u));
      }
    }
  }

  static void Store(const AnnealingRequest& request, int64_t first, const float* spins) {
    const int64_t n = request.problems.n_spins;
    const int64_t count = std::min<int64_t>(kReplicas, request.problems.batch * request.reads - first);
    for (int64_t lane = 0; lane < count; ++lane) {
      int8_t* const own = request.spins + (first + lane) * n;
      for (int64_t i = 0; i < n; ++i) own[i] = spins[i * kReplicas + lane] < 0 ? -1 : 1;
    }
  }
};

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_ANNEAL_H_
