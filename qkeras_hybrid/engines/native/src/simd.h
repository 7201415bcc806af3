// Vectors of one register, written with the compilers' vector extension, so that one source gives
// AVX-512, AVX2, baseline x86-64 and aarch64 code.
//
// Everything is in an anonymous namespace: this header is compiled once for each instruction set,
// and no function of one may be linked into another.
#ifndef QKERAS_HYBRID_NATIVE_SIMD_H_
#define QKERAS_HYBRID_NATIVE_SIMD_H_

#include <cstdint>

#if defined(__AVX2__) && defined(__clang__)
#include <immintrin.h>
#endif

// The loops after it have constant bounds, and index arrays that must stay in registers.
#if defined(__clang__)
#define QH_UNROLL _Pragma("unroll")
#else
#define QH_UNROLL _Pragma("GCC unroll 16")
#endif

namespace {  // NOLINT: internal linkage is the point, see above

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct Simd;

template <>
struct Simd<float> {
  static constexpr int kLanes = kVectorBytes / 4;
  typedef float V __attribute__((vector_size(kVectorBytes)));
  typedef int32_t I __attribute__((vector_size(kVectorBytes)));
  typedef uint32_t U __attribute__((vector_size(kVectorBytes)));
  using Int = int32_t;
  using Uint = uint32_t;
};

template <>
struct Simd<double> {
  static constexpr int kLanes = kVectorBytes / 8;
  typedef double V __attribute__((vector_size(kVectorBytes)));
  typedef int64_t I __attribute__((vector_size(kVectorBytes)));
  typedef uint64_t U __attribute__((vector_size(kVectorBytes)));
  using Int = int64_t;
  using Uint = uint64_t;
};

template <class T>
using Vec = typename Simd<T>::V;
template <class T>
using IntVec = typename Simd<T>::I;
template <class T>
using UintVec = typename Simd<T>::U;

constexpr int Log2(int value) { return value == 1 ? 0 : 1 + Log2(value / 2); }

template <class T>
inline Vec<T> Splat(T value) {
  return value - Vec<T>{};
}

template <int kMask, class T, int... kIndex>
inline Vec<T> ExchangeConst(Vec<T> v, __attribute__((unused)) const int (*)[sizeof...(kIndex)]) {
#if defined(__clang__)
  return __builtin_shufflevector(v, v, (kIndex ^ kMask)...);
#else
  return __builtin_shuffle(v, IntVec<T>{(kIndex ^ kMask)...});
#endif
}

// Lane i of the result is lane i ^ kMask of `v`.
template <int kMask, class T>
inline Vec<T> Exchange(Vec<T> v) {
  constexpr int kLanes = Simd<T>::kLanes;
  if constexpr (kLanes == 2) {
    return ExchangeConst<kMask, T, 0, 1>(v, nullptr);
  } else if constexpr (kLanes == 4) {
    return ExchangeConst<kMask, T, 0, 1, 2, 3>(v, nullptr);
  } else if constexpr (kLanes == 8) {
    return ExchangeConst<kMask, T, 0, 1, 2, 3, 4, 5, 6, 7>(v, nullptr);
  } else {
    static_assert(kLanes == 16, "no vector has other numbers of lanes");
    return ExchangeConst<kMask, T, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(v, nullptr);
  }
}

// Exchanges lanes by an XOR of their numbers with a mask that is known only at run time.
template <class T>
class LaneExchange {
 public:
  explicit LaneExchange(uint32_t mask = 0) {
    if constexpr (kIndexed) {
      for (int i = 0; i < Simd<T>::kLanes; ++i) index_[i] = i ^ static_cast<int>(mask);
    } else {
      index_ = mask;
    }
  }

  Vec<T> operator()(Vec<T> v) const {
#if defined(__AVX2__)
    if constexpr (kIndexed) {
#if !defined(__clang__)
      return __builtin_shuffle(v, index_);
#elif defined(__AVX512F__)
      if constexpr (sizeof(T) == 4) {
        return (Vec<T>)_mm512_permutexvar_ps((__m512i)index_, (__m512)v);
      } else {
        return (Vec<T>)_mm512_permutexvar_pd((__m512i)index_, (__m512d)v);
      }
#else
      return (Vec<T>)_mm256_permutevar8x32_ps((__m256)v, (__m256i)index_);
#endif
    } else  // NOLINT
#endif
    {
      switch (index_) {
        case 0:
          return v;
        case 1:
          return Exchange<1, T>(v);
        default:
          if constexpr (Simd<T>::kLanes > 2) {
            return index_ == 2 ? Exchange<2, T>(v) : Exchange<3, T>(v);
          } else {
            return v;
          }
      }
    }
  }

 private:
  static constexpr bool kIndexed =
      kVectorBytes == 64 || (kVectorBytes == 32 && sizeof(T) == 4);
  template <bool kVector, class U>
  struct Kind {
    using Type = IntVec<U>;
  };
  template <class U>
  struct Kind<false, U> {
    using Type = uint32_t;
  };
  typename Kind<kIndexed, T>::Type index_;
};

template <class T>
inline T SumLanes(Vec<T> v) {
  // Halves are added in a fixed tree, so that the result does not depend on the compiler.
  T lanes[Simd<T>::kLanes];
  __builtin_memcpy(lanes, &v, sizeof(v));
  for (int width = Simd<T>::kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

// The same in float64 whatever T is, for sums over many samples.
template <class T>
inline double SumLanesInDouble(Vec<T> v) {
  T lanes[Simd<T>::kLanes];
  __builtin_memcpy(lanes, &v, sizeof(v));
  double sums[Simd<T>::kLanes];
  for (int i = 0; i < Simd<T>::kLanes; ++i) sums[i] = static_cast<double>(lanes[i]);
  for (int width = Simd<T>::kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
  }
  return sums[0];
}

// An angle in turns (1 is a full circle) as a fixed-point fraction of a turn. Sums of such
// integers wrap around exactly as angles do, and are exact in any order.
template <class T>
inline typename Simd<T>::Uint Turns(double turns) {
  turns -= __builtin_rint(turns);
  if constexpr (sizeof(T) == 4) {
    return static_cast<uint32_t>(static_cast<int64_t>(turns * 0x1p32));
  } else {
    return static_cast<uint64_t>(static_cast<int64_t>(turns * 0x1p62)) << 2;
  }
}

// The turns of angles[lane] * factor. The loop can be vectorized where Turns can't: adding 1.5 *
// 2^52 leaves the nearest integer in the low bits of a double.
template <class T>
inline UintVec<T> TurnsOf(const double* angles, double factor) {
  UintVec<T> result;
  typename Simd<T>::Uint lanes[Simd<T>::kLanes];
  for (int i = 0; i < Simd<T>::kLanes; ++i) {
    if constexpr (sizeof(T) == 4) {
      double turns = angles[i] * factor;
      turns = (turns - __builtin_rint(turns)) * 0x1p32 + 0x1.8p52;
      uint64_t bits;
      __builtin_memcpy(&bits, &turns, sizeof(bits));
      lanes[i] = static_cast<uint32_t>(bits);
    } else {
      lanes[i] = Turns<T>(angles[i] * factor);
    }
  }
  __builtin_memcpy(&result, lanes, sizeof(result));
  return result;
}

// Cosine and sine of fixed-point turns, to the precision of T (polynomials from Cephes).
template <class T>
inline void CosSin(UintVec<T> turns, Vec<T>* cosine, Vec<T>* sine) {
  using V = Vec<T>;
  using I = IntVec<T>;
  using U = UintVec<T>;
  constexpr int kBits = static_cast<int>(8 * sizeof(T));
  using Uint = typename Simd<T>::Uint;
  // The nearest quarter turn, and the rest: at most an eighth of a turn.
  const U quarter = (turns + (Uint{1} << (kBits - 3))) >> (kBits - 2);
  const I rest = (I)(turns - (quarter << (kBits - 2)));
  constexpr T kRadians = static_cast<T>(6.283185307179586 / (sizeof(T) == 4 ? 0x1p32 : 0x1p64));
  const V x = __builtin_convertvector(rest, V) * kRadians;
  const V z = x * x;
  V s, c;
  if constexpr (sizeof(T) == 4) {
    s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
    c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
        0.5f * z + 1.0f;
  } else {
    s = (((((1.58962301576546568060e-10 * z - 2.50507477628578072866e-8) * z +
            2.75573136213857245213e-6) * z - 1.98412698295895385996e-4) * z +
          8.33333333332211858878e-3) * z - 1.66666666666666307295e-1) * z * x + x;
    c = (((((-1.13585365213876817300e-11 * z + 2.08757008419747316778e-9) * z -
            2.75573141792967388112e-7) * z + 2.48015872888517045348e-5) * z -
          1.38888888888730564116e-3) * z + 4.16666666666665929218e-2) * z * z -
        0.5 * z + 1.0;
  }
  const I odd = (I)((quarter & 1) != 0);
  const V swapped_s = odd ? c : s;
  const V swapped_c = odd ? s : c;
  *sine = (V)((U)swapped_s ^ ((quarter & 2) << (kBits - 2)));
  *cosine = (V)((U)swapped_c ^ (((quarter + 1) & 2) << (kBits - 2)));
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_SIMD_H_
