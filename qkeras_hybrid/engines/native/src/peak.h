// Multiply-adds on registers only: the highest speed of a core with an instruction set.
#ifndef QKERAS_HYBRID_NATIVE_PEAK_H_
#define QKERAS_HYBRID_NATIVE_PEAK_H_

#include "simd.h"

namespace {

// Enough chains to hide the latency of an addition after a multiplication (two per cycle, four
// cycles each), and few enough for the sixteen registers of AVX2 and baseline x86-64.
constexpr int kChains = 12;

// Runs `rounds` steps x = x / 2 + 1 / 2 on every lane of every chain and returns how many
// floating-point operations that were. Each x tends to 1; `mean` gets their mean, so that nothing
// can be left out.
template <class T>
double MultiplyAdds(int64_t rounds, double* mean) {
  Vec<T> chains[kChains];
  for (int j = 0; j < kChains; ++j) chains[j] = Splat(static_cast<T>(j));
  const Vec<T> half = Splat(static_cast<T>(0.5));
  for (int64_t round = 0; round < rounds; ++round) {
    QH_UNROLL
    for (int j = 0; j < kChains; ++j) chains[j] = chains[j] * half + half;
  }
  double sum = 0;
  for (int j = 0; j < kChains; ++j) sum += static_cast<double>(SumLanes<T>(chains[j]));
  constexpr int kNumbers = kChains * Simd<T>::kLanes;
  *mean = sum / kNumbers;
  return 2.0 * kNumbers * static_cast<double>(rounds);
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_PEAK_H_
