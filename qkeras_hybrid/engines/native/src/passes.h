// The loops over a state vector.
//
// A state is 2^(n - lane_bits) entries of two vectors each: real parts, then imaginary parts. The
// lanes hold amplitudes of one sample, or the same amplitude of several samples.
#ifndef QKERAS_HYBRID_NATIVE_PASSES_H_
#define QKERAS_HYBRID_NATIVE_PASSES_H_

#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::Block;

// What a pass over the gates of a block needs, besides the state.
template <class T>
struct Pass {
  const Block* block;
  // For each gate two vectors: tan(angle/2) (or a measured string's weight) with the signs of the
  // lanes, for even and for odd parity of the entry's index with the gate's z.
  const Vec<T>* coefficients[qkeras_hybrid::kMaxBlockGates];
  const Vec<T>* signs[qkeras_hybrid::kMaxBlockGates];  // the signs alone
};

inline int OddParity(uint64_t mask) { return __builtin_parityll(mask); }

// The c-th index that has the pivot bits clear.
template <int kCount>
inline uint64_t CosetBase(uint64_t c, const uint32_t* pivots) {
  QH_UNROLL
  for (int i = 0; i < kCount; ++i) {
    const uint64_t low = (uint64_t{1} << pivots[i]) - 1;
    c = ((c & ~low) << 1) | (c & low);
  }
  return c;
}

// A rotation that is not y_like mixes the real part of one entry with the imaginary part of its
// partner. So the numbers of a coset fall into two halves that never mix. In half h, entry b
// contributes its real (0) or its imaginary (1) part:
constexpr int Part(int b, int x_types, int half) {
  return (half + __builtin_popcount(static_cast<unsigned>(b & x_types))) & 1;
}

// exp(-i angle/2 P) / cos(angle/2) on entries a, b (the lower and the upper of gate j) is
// a - s t b, b + s t a with t = tan(angle/2) and this s:
constexpr bool Reversed(int lower, int gate, int x_types, int half) {
  return (x_types >> gate & 1) && Part(lower, x_types, half) == 0;
}

template <class T, int kCount, int kTypes, bool kExchange>
struct CosetPasses {
  using V = Vec<T>;
  static constexpr int kSize = 1 << kCount;

  struct Exchanges {
    LaneExchange<T> of[8];  // kSize of them; one size for all, or GCC 12 warns of mixing them up
    explicit Exchanges(const Block& block) {
      if constexpr (kExchange) {
        for (int b = 1; b < kSize; ++b) of[b] = LaneExchange<T>(block.lane_xor[b]);
      }
    }
  };

  // Entry b of a coset is read with its lanes exchanged, so that gates pair equal lanes.
  static inline V Load(const V* at, const Exchanges& exchanges, int b) {
    if constexpr (kExchange) {
      if (b != 0) return exchanges.of[b](*at);
    }
    return *at;
  }
  static inline void Store(V* at, V value, const Exchanges& exchanges, int b) {
    if constexpr (kExchange) {
      if (b != 0) value = exchanges.of[b](value);
    }
    *at = value;
  }

  template <int kHalf>
  static inline void Turn(V* u, const V* const* t) {
    QH_UNROLL
    for (int j = 0; j < kCount; ++j) {
      const V tangent = *t[j];
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) {
        if (b >> j & 1) continue;
        const V lower = u[b], upper = u[b | 1 << j];
        if (Reversed(b, j, kTypes, kHalf)) {
          u[b] = lower + tangent * upper;
          u[b | 1 << j] = upper - tangent * lower;
        } else {
          u[b] = lower - tangent * upper;
          u[b | 1 << j] = upper + tangent * lower;
        }
      }
    }
  }

  template <int kHalf>
  static inline void RotateHalf(V* psi, const uint64_t* at, const V* const* t,
                                const Exchanges& exchanges) {
    V u[kSize];
    QH_UNROLL
    for (int b = 0; b < kSize; ++b) {
      u[b] = Load(psi + 2 * at[b] + Part(b, kTypes, kHalf), exchanges, b);
    }
    Turn<kHalf>(u, t);
    QH_UNROLL
    for (int b = 0; b < kSize; ++b) {
      Store(psi + 2 * at[b] + Part(b, kTypes, kHalf), u[b], exchanges, b);
    }
  }

  // Applies the gates, each but for a factor 1/cos(angle/2).
  static void Rotate(V* psi, const Pass<T>& pass, int64_t begin, int64_t end) {
    const Block& block = *pass.block;
    const Exchanges exchanges(block);
    for (int64_t c = begin; c < end; ++c) {
      const uint64_t base = CosetBase<kCount>(c, block.pivots);
      const V* t[kCount];
      uint64_t at[kSize];
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        t[j] = pass.coefficients[j] + OddParity(base & block.gates[j].z_hi);
      }
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) at[b] = base ^ block.offsets[b];
      RotateHalf<0>(psi, at, t, exchanges);
      RotateHalf<1>(psi, at, t, exchanges);
    }
  }

  template <int kHalf>
  static inline void BackHalf(V* psi, V* lambda, const uint64_t* at, const V* const* t,
                              const V* const* signs, const Exchanges& exchanges, V* sums) {
    V u[kSize], l[kSize];
    QH_UNROLL
    for (int b = 0; b < kSize; ++b) {
      u[b] = Load(psi + 2 * at[b] + Part(b, kTypes, kHalf), exchanges, b);
      l[b] = Load(lambda + 2 * at[b] + Part(b, kTypes, kHalf), exchanges, b);
    }
    QH_UNROLL
    for (int j = 0; j < kCount; ++j) {
      V sum{};
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) {
        if (b >> j & 1) continue;
        const int d = b | 1 << j;
        if (Reversed(b, j, kTypes, kHalf)) {
          sum = sum + l[b] * u[d];
          sum = sum - l[d] * u[b];
        } else {
          sum = sum - l[b] * u[d];
          sum = sum + l[d] * u[b];
        }
      }
      sums[j] = sums[j] + *signs[j] * sum;
    }
    Turn<kHalf>(u, t);
    QH_UNROLL
    for (int b = 0; b < kSize; ++b) {
      Store(psi + 2 * at[b] + Part(b, kTypes, kHalf), u[b], exchanges, b);
    }
    Turn<kHalf>(l, t);
    QH_UNROLL
    for (int b = 0; b < kSize; ++b) {
      Store(lambda + 2 * at[b] + Part(b, kTypes, kHalf), l[b], exchanges, b);
    }
  }

  // Adds Im <lambda| P_j |psi> to sums[j] (the derivative by gate j's angle, as lambda is half the
  // gradient), then un-applies the gates from psi and lambda, but for 1/cos(angle/2) each. The
  // gates commute with each other's strings, so all derivatives are taken before the first.
  static void Back(V* psi, V* lambda, const Pass<T>& pass, int64_t begin, int64_t end, V* sums) {
    const Block& block = *pass.block;
    const Exchanges exchanges(block);
    V local[kCount] = {};
    for (int64_t c = begin; c < end; ++c) {
      const uint64_t base = CosetBase<kCount>(c, block.pivots);
      const V* t[kCount];
      const V* signs[kCount];
      uint64_t at[kSize];
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        const int odd = OddParity(base & block.gates[j].z_hi);
        t[j] = pass.coefficients[j] + (odd ^ 1);  // the inverse turns the other way
        signs[j] = pass.signs[j] + odd;
      }
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) at[b] = base ^ block.offsets[b];
      BackHalf<0>(psi, lambda, at, t, signs, exchanges, local);
      BackHalf<1>(psi, lambda, at, t, signs, exchanges, local);
    }
    for (int j = 0; j < kCount; ++j) sums[j] = sums[j] + local[j];
  }

  // Adds <psi| P_j |psi> to sums[j].
  static void Measure(const V* psi, const Pass<T>& pass, int64_t begin, int64_t end, V* sums) {
    const Block& block = *pass.block;
    const Exchanges exchanges(block);
    V local[kCount] = {};
    for (int64_t c = begin; c < end; ++c) {
      const uint64_t base = CosetBase<kCount>(c, block.pivots);
      V re[kSize], im[kSize];
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) {
        const V* at = psi + 2 * (base ^ block.offsets[b]);
        re[b] = Load(at, exchanges, b);
        im[b] = Load(at + 1, exchanges, b);
      }
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        V sum{};
        QH_UNROLL
        for (int b = 0; b < kSize; ++b) {
          if (b >> j & 1) continue;
          const int d = b | 1 << j;
          if (kTypes >> j & 1) {
            sum = sum + re[b] * re[d];
            sum = sum + im[b] * im[d];
          } else {
            sum = sum + re[b] * im[d];
            sum = sum - im[b] * re[d];
          }
        }
        local[j] = local[j] + pass.signs[j][OddParity(base & block.gates[j].z_hi)] * sum;
      }
    }
    for (int j = 0; j < kCount; ++j) sums[j] = sums[j] + T{2} * local[j];
  }

  // lambda += sum_j coefficient_j P_j psi.
  static void Accumulate(const V* psi, V* lambda, const Pass<T>& pass, int64_t begin,
                         int64_t end) {
    const Block& block = *pass.block;
    const Exchanges exchanges(block);
    for (int64_t c = begin; c < end; ++c) {
      const uint64_t base = CosetBase<kCount>(c, block.pivots);
      V re[kSize], im[kSize];
      const V* weights[kCount];
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        weights[j] = pass.coefficients[j] + OddParity(base & block.gates[j].z_hi);
      }
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) {
        const V* at = psi + 2 * (base ^ block.offsets[b]);
        re[b] = Load(at, exchanges, b);
        im[b] = Load(at + 1, exchanges, b);
      }
      QH_UNROLL
      for (int b = 0; b < kSize; ++b) {
        V* at = lambda + 2 * (base ^ block.offsets[b]);
        V sum_re = Load(at, exchanges, b), sum_im = Load(at + 1, exchanges, b);
        QH_UNROLL
        for (int j = 0; j < kCount; ++j) {
          const int d = b ^ 1 << j;
          const V weight = *weights[j];
          if (kTypes >> j & 1) {
            sum_re = sum_re + weight * re[d];
            sum_im = sum_im + weight * im[d];
          } else if (b >> j & 1) {
            sum_re = sum_re - weight * im[d];
            sum_im = sum_im + weight * re[d];
          } else {
            sum_re = sum_re + weight * im[d];
            sum_im = sum_im - weight * re[d];
          }
        }
        Store(at, sum_re, exchanges, b);
        Store(at + 1, sum_im, exchanges, b);
      }
    }
  }
};

// Gates that pair lanes of the same vector. They are taken one after another on each entry.
template <class T, int kCount>
struct LanePasses {
  using V = Vec<T>;

  struct Exchanges {
    LaneExchange<T> of[kCount];
    explicit Exchanges(const Block& block) {
      for (int j = 0; j < kCount; ++j) of[j] = LaneExchange<T>(block.gates[j].x_lane);
    }
  };

  static void Rotate(V* psi, const Pass<T>& pass, int64_t begin, int64_t end) {
    const Block& block = *pass.block;
    const Exchanges exchange(block);
    for (int64_t k = begin; k < end; ++k) {
      V re = psi[2 * k], im = psi[2 * k + 1];
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        const V t = pass.coefficients[j][OddParity(k & block.gates[j].z_hi)];
        const V other_re = exchange.of[j](re), other_im = exchange.of[j](im);
        if (block.x_types >> j & 1) {
          re = re + t * other_im;
          im = im - t * other_re;
        } else {
          re = re - t * other_re;
          im = im - t * other_im;
        }
      }
      psi[2 * k] = re;
      psi[2 * k + 1] = im;
    }
  }

  static void Back(V* psi, V* lambda, const Pass<T>& pass, int64_t begin, int64_t end, V* sums) {
    const Block& block = *pass.block;
    const Exchanges exchange(block);
    V local[kCount] = {};
    for (int64_t k = begin; k < end; ++k) {
      V re = psi[2 * k], im = psi[2 * k + 1];
      V l_re = lambda[2 * k], l_im = lambda[2 * k + 1];
      QH_UNROLL
      for (int j = kCount - 1; j >= 0; --j) {
        const int odd = OddParity(k & block.gates[j].z_hi);
        const V t = pass.coefficients[j][odd ^ 1], sign = pass.signs[j][odd];
        const V other_re = exchange.of[j](re), other_im = exchange.of[j](im);
        const V other_l_re = exchange.of[j](l_re), other_l_im = exchange.of[j](l_im);
        if (block.x_types >> j & 1) {
          local[j] = local[j] + sign * (l_re * other_im - l_im * other_re);
          re = re + t * other_im;
          im = im - t * other_re;
          l_re = l_re + t * other_l_im;
          l_im = l_im - t * other_l_re;
        } else {
          local[j] = local[j] - sign * (l_re * other_re + l_im * other_im);
          re = re - t * other_re;
          im = im - t * other_im;
          l_re = l_re - t * other_l_re;
          l_im = l_im - t * other_l_im;
        }
      }
      psi[2 * k] = re;
      psi[2 * k + 1] = im;
      lambda[2 * k] = l_re;
      lambda[2 * k + 1] = l_im;
    }
    for (int j = 0; j < kCount; ++j) sums[j] = sums[j] + local[j];
  }

  static void Measure(const V* psi, const Pass<T>& pass, int64_t begin, int64_t end, V* sums) {
    const Block& block = *pass.block;
    const Exchanges exchange(block);
    V local[kCount] = {};
    for (int64_t k = begin; k < end; ++k) {
      const V re = psi[2 * k], im = psi[2 * k + 1];
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        const V sign = pass.signs[j][OddParity(k & block.gates[j].z_hi)];
        const V other_re = exchange.of[j](re), other_im = exchange.of[j](im);
        if (block.x_types >> j & 1) {
          local[j] = local[j] + sign * (re * other_re + im * other_im);
        } else {
          local[j] = local[j] + sign * (re * other_im - im * other_re);
        }
      }
    }
    for (int j = 0; j < kCount; ++j) sums[j] = sums[j] + local[j];
  }

  static void Accumulate(const V* psi, V* lambda, const Pass<T>& pass, int64_t begin,
                         int64_t end) {
    const Block& block = *pass.block;
    const Exchanges exchange(block);
    for (int64_t k = begin; k < end; ++k) {
      const V re = psi[2 * k], im = psi[2 * k + 1];
      V sum_re = lambda[2 * k], sum_im = lambda[2 * k + 1];
      QH_UNROLL
      for (int j = 0; j < kCount; ++j) {
        const V weight = pass.coefficients[j][OddParity(k & block.gates[j].z_hi)];
        const V other_re = exchange.of[j](re), other_im = exchange.of[j](im);
        if (block.x_types >> j & 1) {
          sum_re = sum_re + weight * other_re;
          sum_im = sum_im + weight * other_im;
        } else {
          sum_re = sum_re + weight * other_im;
          sum_im = sum_im - weight * other_re;
        }
      }
      lambda[2 * k] = sum_re;
      lambda[2 * k + 1] = sum_im;
    }
  }
};

// The passes for one shape of block.
template <class T>
struct PassTable {
  using V = Vec<T>;
  void (*rotate)(V*, const Pass<T>&, int64_t, int64_t);
  void (*back)(V*, V*, const Pass<T>&, int64_t, int64_t, V*);
  void (*measure)(const V*, const Pass<T>&, int64_t, int64_t, V*);
  void (*accumulate)(const V*, V*, const Pass<T>&, int64_t, int64_t);
};

template <class T, class Passes>
inline PassTable<T> TableOf() {
  return {Passes::Rotate, Passes::Back, Passes::Measure, Passes::Accumulate};
}

template <class T, bool kExchange>
inline PassTable<T> CosetTable(uint32_t count, uint32_t x_types) {
  switch (count << 3 | x_types) {
    case 010:
      return TableOf<T, CosetPasses<T, 1, 0, kExchange>>();
    case 011:
      return TableOf<T, CosetPasses<T, 1, 1, kExchange>>();
    case 020:
      return TableOf<T, CosetPasses<T, 2, 0, kExchange>>();
    case 021:
      return TableOf<T, CosetPasses<T, 2, 1, kExchange>>();
    case 022:
      return TableOf<T, CosetPasses<T, 2, 2, kExchange>>();
    case 023:
      return TableOf<T, CosetPasses<T, 2, 3, kExchange>>();
    case 030:
      return TableOf<T, CosetPasses<T, 3, 0, kExchange>>();
    case 031:
      return TableOf<T, CosetPasses<T, 3, 1, kExchange>>();
    case 032:
      return TableOf<T, CosetPasses<T, 3, 2, kExchange>>();
    case 033:
      return TableOf<T, CosetPasses<T, 3, 3, kExchange>>();
    case 034:
      return TableOf<T, CosetPasses<T, 3, 4, kExchange>>();
    case 035:
      return TableOf<T, CosetPasses<T, 3, 5, kExchange>>();
    case 036:
      return TableOf<T, CosetPasses<T, 3, 6, kExchange>>();
    default:
      return TableOf<T, CosetPasses<T, 3, 7, kExchange>>();
  }
}

template <class T>
inline PassTable<T> LaneTable(uint32_t count) {
  switch (count) {
    case 1:
      return TableOf<T, LanePasses<T, 1>>();
    case 2:
      return TableOf<T, LanePasses<T, 2>>();
    case 3:
      return TableOf<T, LanePasses<T, 3>>();
    default:
      return TableOf<T, LanePasses<T, 4>>();
  }
}

template <class T, int kLaneBits>
inline PassTable<T> PassesFor(const Block& block) {
  if constexpr (kLaneBits > 0) {
    if (block.lanes) return LaneTable<T>(block.count);
    for (uint32_t j = 0; j < block.count; ++j) {
      if (block.gates[j].x_lane != 0) return CosetTable<T, true>(block.count, block.x_types);
    }
  }
  return CosetTable<T, false>(block.count, block.x_types);
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_PASSES_H_
