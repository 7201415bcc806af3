// The mixer exp(-i beta sum X): two qubits at a time, on one state or, for the gradient, on two.
//
// For the four amplitudes x_0..x_3 of two qubits, with s and c the sine and cosine of beta,
//
//   x_0 and x_3 get  -s^2 A - i s c B  added, with A = x_0 + x_3,
//   x_1 and x_2 get  -s^2 B - i s c A  added, with B = x_1 + x_2,
//
// which takes fewer operations than two rotations. The gradient needs <a| X + X' |b> of both states,
// which the same sums give: conj(A_a) B_b + conj(B_a) A_b.
#ifndef QKERAS_HYBRID_NATIVE_QAOA_MIX_H_
#define QKERAS_HYBRID_NATIVE_QAOA_MIX_H_

#include "simd.h"

namespace {

// The factors by which a mixer's angle changes amplitudes.
template <class T>
struct Turn {
  T c, s;
  T both;  // s^2
  T one;   // s c
  explicit Turn(double beta) {
    const double cosine = __builtin_cos(beta), sine = __builtin_sin(beta);
    c = static_cast<T>(cosine);
    s = static_cast<T>(sine);
    both = static_cast<T>(sine * sine);
    one = static_cast<T>(sine * cosine);
  }
};

// A state as two arrays.
template <class T>
struct Parts {
  Vec<T>* re = nullptr;
  Vec<T>* im = nullptr;
};

// A vector of amplitudes in registers.
template <class T>
struct Amplitudes {
  Vec<T> re, im;

  // Copied by members: GCC 12 copies a plain structure of vectors through memory, piece by piece.
  Amplitudes(Vec<T> real, Vec<T> imaginary) : re(real), im(imaginary) {}
  Amplitudes(const Amplitudes& other) : re(other.re), im(other.im) {}
  Amplitudes& operator=(const Amplitudes& other) {
    re = other.re;
    im = other.im;
    return *this;
  }

  static Amplitudes From(Parts<T> state, int64_t i) { return {state.re[i], state.im[i]}; }
  void To(Parts<T> state, int64_t i) const {
    state.re[i] = re;
    state.im[i] = im;
  }
  Amplitudes operator+(const Amplitudes& other) const { return {re + other.re, im + other.im}; }

  // Adds -s^2 same - i s c flipped.
  void Add(const Amplitudes& same, const Amplitudes& flipped, const Turn<T>& turn) {
    re += turn.one * flipped.im - turn.both * same.re;
    im -= turn.one * flipped.re + turn.both * same.im;
  }
};

template <int kMask, class T>
inline Amplitudes<T> Exchanged(const Amplitudes<T>& x) {
  return {Exchange<kMask, T>(x.re), Exchange<kMask, T>(x.im)};
}

// Adds Im(conj(a) b).
template <class T>
inline void AddIm(const Amplitudes<T>& a, const Amplitudes<T>& b, Vec<T>* sum) {
  *sum += a.re * b.im - a.im * b.re;
}

// The two sums of four amplitudes.
template <class T>
struct Sums {
  Amplitudes<T> a, b;
};

template <class T>
inline void AddFlips(const Sums<T>& other, const Sums<T>& state, Vec<T>* sum) {
  AddIm<T>(other.a, state.b, sum);
  AddIm<T>(other.b, state.a, sum);
}

// Mixes two qubits whose amplitudes are in four vectors.
template <class T>
inline Sums<T> MixFour(Amplitudes<T>* x0, Amplitudes<T>* x1, Amplitudes<T>* x2, Amplitudes<T>* x3,
                       const Turn<T>& turn) {
  const Sums<T> sums{*x0 + *x3, *x1 + *x2};
  x0->Add(sums.a, sums.b, turn);
  x3->Add(sums.a, sums.b, turn);
  x1->Add(sums.b, sums.a, turn);
  x2->Add(sums.b, sums.a, turn);
  return sums;
}

// The same for states in memory.
template <class T>
inline Sums<T> MixFourAt(Parts<T> state, int64_t i, int64_t step, const Turn<T>& turn) {
  auto x0 = Amplitudes<T>::From(state, i), x1 = Amplitudes<T>::From(state, i + step);
  auto x2 = Amplitudes<T>::From(state, i + 2 * step), x3 = Amplitudes<T>::From(state, i + 3 * step);
  const Sums<T> sums = MixFour<T>(&x0, &x1, &x2, &x3, turn);
  x0.To(state, i);
  x1.To(state, i + step);
  x2.To(state, i + 2 * step);
  x3.To(state, i + 3 * step);
  return sums;
}

// Mixes one qubit, that of a bit of the vectors' index. Returns what was there.
template <class T>
inline Sums<T> MixTwoAt(Parts<T> state, int64_t i, int64_t step, const Turn<T>& turn) {
  const auto x0 = Amplitudes<T>::From(state, i), x1 = Amplitudes<T>::From(state, i + step);
  state.re[i] = turn.c * x0.re + turn.s * x1.im;
  state.im[i] = turn.c * x0.im - turn.s * x1.re;
  state.re[i + step] = turn.c * x1.re + turn.s * x0.im;
  state.im[i + step] = turn.c * x1.im - turn.s * x0.re;
  return {x0, x1};
}

// Mixes the qubits of the bits [begin, end) of the vectors' index. With kBoth it mixes `other` too,
// and returns sum_q Im <other| X_q |state>.
template <class T, bool kBoth>
double MixVectors(Parts<T> state, Parts<T> other, int begin, int end, int64_t count,
                  const Turn<T> turn) {
  Vec<T> sum{};
  for (int bit = begin; bit < end; bit += 2) {
    const int64_t step = int64_t{1} << bit;
    const bool two = bit + 1 < end;
    for (int64_t base = 0; base < count; base += (two ? 4 : 2) * step) {
      if (two) {
        for (int64_t i = base; i < base + step; ++i) {
          const Sums<T> sums = MixFourAt<T>(state, i, step, turn);
          if constexpr (kBoth) AddFlips<T>(MixFourAt<T>(other, i, step, turn), sums, &sum);
        }
      } else {
        for (int64_t i = base; i < base + step; ++i) {
          const Sums<T> sums = MixTwoAt<T>(state, i, step, turn);
          if constexpr (kBoth) AddFlips<T>(MixTwoAt<T>(other, i, step, turn), sums, &sum);
        }
      }
    }
  }
  return kBoth ? SumLanesInDouble<T>(sum) : 0.0;
}

// Mixes the qubits of two bits of the lanes. Returns the amplitudes, and the sums of those that one
// flip leads to.
template <class T, int kBit>
inline Sums<T> MixLanePair(Amplitudes<T>* x, const Turn<T>& turn) {
  const Amplitudes<T> before = *x;
  const Amplitudes<T> same = before + Exchanged<3 << kBit, T>(before);
  const Amplitudes<T> flipped = Exchanged<1 << kBit, T>(same);
  x->Add(same, flipped, turn);
  return {before, flipped};
}

// The same for one bit of the lanes and the lowest bit of the vectors' index.
template <class T, int kBit>
inline Sums<T> MixLaneAndVector(Amplitudes<T>* x, Amplitudes<T>* y, const Turn<T>& turn) {
  const Amplitudes<T> a = *x + Exchanged<1 << kBit, T>(*y);
  const Amplitudes<T> b = Exchanged<1 << kBit, T>(a);
  x->Add(a, b, turn);
  y->Add(b, a, turn);
  return {a, b};
}

// An odd number of bits of the lanes is mixed with the lowest bit of the vectors' index.
template <class T>
constexpr int kLaneBitsOf = Log2(Simd<T>::kLanes);
template <class T>
constexpr int kVectorBitsWithLanes = kLaneBitsOf<T> % 2;

// Mixes the qubits of an even number of lanes' bits of one vector; kBoth as above.
template <class T, bool kBoth>
inline void MixLanePairs(Amplitudes<T>* state, Amplitudes<T>* other, const Turn<T>& turn,
                         Vec<T>* sum) {
  if constexpr (kLaneBitsOf<T> >= 2) {
    const Sums<T> sums = MixLanePair<T, 0>(state, turn);
    if constexpr (kBoth) AddIm<T>(MixLanePair<T, 0>(other, turn).a, sums.b, sum);
  }
  if constexpr (kLaneBitsOf<T> >= 4) {
    const Sums<T> sums = MixLanePair<T, 2>(state, turn);
    if constexpr (kBoth) AddIm<T>(MixLanePair<T, 2>(other, turn).a, sums.b, sum);
  }
}

// Mixes the qubits of all lanes, and with them that of the lowest bit of the vectors' index if
// kVectorBitsWithLanes; kBoth as above.
template <class T, bool kBoth>
double MixLanes(Parts<T> state, Parts<T> other, int64_t count, const Turn<T> turn) {
  constexpr int kVectors = 1 + kVectorBitsWithLanes<T>;
  Vec<T> sum{};
  for (int64_t i = 0; i < count; i += kVectors) {
    auto x0 = Amplitudes<T>::From(state, i), y0 = x0;
    if constexpr (kBoth) y0 = Amplitudes<T>::From(other, i);
    MixLanePairs<T, kBoth>(&x0, &y0, turn, &sum);
    if constexpr (kVectors == 2) {
      constexpr int kBit = kLaneBitsOf<T> - 1;
      auto x1 = Amplitudes<T>::From(state, i + 1), y1 = x1;
      if constexpr (kBoth) y1 = Amplitudes<T>::From(other, i + 1);
      MixLanePairs<T, kBoth>(&x1, &y1, turn, &sum);
      const Sums<T> sums = MixLaneAndVector<T, kBit>(&x0, &x1, turn);
      x1.To(state, i + 1);
      if constexpr (kBoth) {
        AddIm<T>(y0, sums.b, &sum);
        AddIm<T>(y1, sums.a, &sum);
        MixLaneAndVector<T, kBit>(&y0, &y1, turn);
        y1.To(other, i + 1);
      }
    }
    x0.To(state, i);
    if constexpr (kBoth) y0.To(other, i);
  }
  return kBoth ? SumLanesInDouble<T>(sum) : 0.0;
}

// The same where a state is one vector and the qubits are those of its first bits.
template <class T, bool kBoth>
double MixFewLanes(Parts<T> state, Parts<T> other, int bits, const Turn<T> turn) {
  Vec<T> sum{};
  for (int bit = 0; bit < bits; ++bit) {
    const LaneExchange<T> exchange(1u << bit);
    const auto mixed = [&](Parts<T> each) {
      const Amplitudes<T> before{*each.re, *each.im};
      const Amplitudes<T> flipped{exchange(before.re), exchange(before.im)};
      *each.re = turn.c * before.re + turn.s * flipped.im;
      *each.im = turn.c * before.im - turn.s * flipped.re;
      return Sums<T>{before, flipped};
    };
    const Sums<T> sums = mixed(state);
    if constexpr (kBoth) AddIm<T>(mixed(other).a, sums.b, &sum);
  }
  return kBoth ? SumLanesInDouble<T>(sum) : 0.0;
}

// Of a state that is even under the flip of all qubits, the half with the first qubit in |0> is
// kept. This mixes that qubit, whose flip leads to the index with all bits inverted, and the qubit of
// the highest bit, for vectors [begin, end) of the first quarter of `count`; kBoth as above.
template <class T, bool kBoth>
double MixMirrored(Parts<T> state, Parts<T> other, int64_t begin, int64_t end, int64_t count,
                   const Turn<T> turn) {
  constexpr int kAll = Simd<T>::kLanes - 1;
  const int64_t half = count / 2;
  const auto mixed = [&](Parts<T> each, int64_t i) {
    auto x0 = Amplitudes<T>::From(each, i), x1 = Amplitudes<T>::From(each, i + half);
    auto x2 = Exchanged<kAll, T>(Amplitudes<T>::From(each, count - 1 - i));
    auto x3 = Exchanged<kAll, T>(Amplitudes<T>::From(each, half - 1 - i));
    const Sums<T> sums = MixFour<T>(&x0, &x1, &x2, &x3, turn);
    x0.To(each, i);
    x1.To(each, i + half);
    Exchanged<kAll, T>(x2).To(each, count - 1 - i);
    Exchanged<kAll, T>(x3).To(each, half - 1 - i);
    return sums;
  };
  Vec<T> sum{};
  for (int64_t i = begin; i < end; ++i) {
    const Sums<T> sums = mixed(state, i);
    if constexpr (kBoth) AddFlips<T>(mixed(other, i), sums, &sum);
  }
  return kBoth ? SumLanesInDouble<T>(sum) : 0.0;
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_QAOA_MIX_H_
