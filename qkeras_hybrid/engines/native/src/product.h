// The product state at the start, and the gradient of its factors.
#ifndef QKERAS_HYBRID_NATIVE_PRODUCT_H_
#define QKERAS_HYBRID_NATIVE_PRODUCT_H_

#include "runner.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::StageKind;

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::GrowProduct(const V* bits, int count, V* stages) {
  for (int j = 0; j < count; ++j) {
    const int64_t size = int64_t{1} << j;
    const V* from = ProductStage(stages, j);
    V* to = ProductStage(stages, j + 1);
    const V* bit = bits + 4 * j;
    for (int64_t k = 0; k < size; ++k) {
      Multiply(from[2 * k], from[2 * k + 1], bit[0], bit[1], to + 2 * k);
      Multiply(from[2 * k], from[2 * k + 1], bit[2], bit[3], to + 2 * (k + size));
    }
  }
}

// The lane bits' factor of each lane, but for bit `without`.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::LaneProduct(int without, V* product) const {
  product[0] = Splat(T{1});
  product[1] = V{};
  for (int p = 0; p < kLaneBits; ++p) {
    if (p == without) continue;
    const V* bit = task_.bits + 4 * p;
    const auto one = shared_.masks[1 << p] != 0;
    Multiply(product[0], product[1], one ? bit[2] : bit[0], one ? bit[3] : bit[1], product);
  }
}

// The product over the low half of the bits, and over the high half.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StartFactors() {
  for (uint32_t i = 0; i < 4 * layout_.n_qubits; ++i) {
    task_.bits[i] = OfSample(task_.columns[i]);
  }
  LaneProduct(-1, task_.low);
  GrowProduct(task_.bits + 4 * kLaneBits, low_bits_, task_.low);
  task_.high[0] = Splat(T{1});
  task_.high[1] = V{};
  GrowProduct(task_.bits + 4 * (kLaneBits + low_bits_), high_bits_, task_.high);
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StartProduct(bool with_phases) {
  const V* low = ProductStage(task_.low, low_bits_);
  const V* high = ProductStage(task_.high, high_bits_);
  const int64_t n_low = int64_t{1} << low_bits_;
  V* psi = task_.psi;
  if (with_phases) {
    SampleTurns(0);
    const int low_bits = low_bits_;
    ForParts(n_vectors_ >> layout_.stages[0].tree.levels,
             [&](int64_t begin, int64_t end, int part) {
               for (int64_t chunk = begin; chunk < end; ++chunk) {
                 ForFactors(0, chunk, part, [=](int64_t k, V re, V im) {
                   const V* l = low + 2 * (k & (n_low - 1));
                   const V* h = high + 2 * (k >> low_bits);
                   V product[2];
                   Multiply(l[0], l[1], h[0], h[1], product);
                   Multiply(product[0], product[1], re, im, psi + 2 * k);
                 });
               }
             });
    return;
  }
  ForParts(int64_t{1} << high_bits_, [=](int64_t begin, int64_t end, int) {
    for (int64_t h = begin; h < end; ++h) {
      const V re = high[2 * h], im = high[2 * h + 1];
      V* to = psi + 2 * n_low * h;
      for (int64_t l = 0; l < n_low; ++l) {
        Multiply(low[2 * l], low[2 * l + 1], re, im, to + 2 * l);
      }
    }
  });
}

// Gradients e of the bits' columns v: the derivative is 2 Re(e . dv). What every other bit
// contributes is a contraction of conj(lambda) with their columns, halved between low and high.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::ProductGradient() {
  const V* low = ProductStage(task_.low, low_bits_);
  const V* high = ProductStage(task_.high, high_bits_);
  const int64_t n_low = int64_t{1} << low_bits_, n_high = int64_t{1} << high_bits_;
  const V* lambda = task_.lambda;
  V* high_sum = task_.high_sum;
  ForParts(n_high, [&](int64_t begin, int64_t end, int part) {
    V* low_sum = task_.low_sum + 2 * n_low * part;
    for (int64_t l = 0; l < 2 * n_low; ++l) low_sum[l] = V{};
    for (int64_t h = begin; h < end; ++h) {
      const V h_re = high[2 * h], h_im = high[2 * h + 1];
      const V* at = lambda + 2 * n_low * h;
      V sum_re{}, sum_im{};
      for (int64_t l = 0; l < n_low; ++l) {
        const V re = at[2 * l], im = at[2 * l + 1];
        sum_re = sum_re + re * low[2 * l];
        sum_re = sum_re + im * low[2 * l + 1];
        sum_im = sum_im + re * low[2 * l + 1];
        sum_im = sum_im - im * low[2 * l];
        low_sum[2 * l] = low_sum[2 * l] + re * h_re + im * h_im;
        low_sum[2 * l + 1] = low_sum[2 * l + 1] + re * h_im - im * h_re;
      }
      high_sum[2 * h] = sum_re;
      high_sum[2 * h + 1] = sum_im;
    }
  });
  V* low_sum = task_.low_sum;
  for (int part = 1; part < Parts(n_high); ++part) {
    for (int64_t l = 0; l < 2 * n_low; ++l) {
      low_sum[l] = low_sum[l] + task_.low_sum[2 * n_low * part + l];
    }
  }
  Contract(high_sum, high_bits_, kLaneBits + low_bits_, task_.high);
  Contract(low_sum, low_bits_, kLaneBits, task_.low);
  for (int p = 0; p < kLaneBits; ++p) {
    V others[2], products[2];
    LaneProduct(p, others);
    Multiply(others[0], others[1], low_sum[0], low_sum[1], products);
    const auto one = shared_.masks[1 << p] != 0;
    StoreEnvironment(p, one ? V{} : products[0], one ? V{} : products[1],
                     one ? products[0] : V{}, one ? products[1] : V{});
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StoreEnvironment(int bit, V re0, V im0, V re1, V im1) {
  V* to = task_.environment + 4 * bit;
  if (kSampleLanes || sample_ == 0) to[0] = to[1] = to[2] = to[3] = V{};
  AddToSample(to, re0, lambda_scale_);
  AddToSample(to + 1, im0, lambda_scale_);
  AddToSample(to + 2, re1, lambda_scale_);
  AddToSample(to + 3, im1, lambda_scale_);
}

// Takes the gradient `sum` of a product over `count` bits apart, from the last bit down.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Contract(V* sum, int count, int first_bit, V* stages) {
  for (int j = count - 1; j >= 0; --j) {
    const int64_t half = int64_t{1} << j;
    const V* rest = ProductStage(stages, j);
    const V* bit = task_.bits + 4 * (first_bit + j);
    V e[4] = {};
    for (int64_t k = 0; k < half; ++k) {
      V* lower = sum + 2 * k;
      const V* upper = sum + 2 * (k + half);
      V product[2];
      Multiply(lower[0], lower[1], rest[2 * k], rest[2 * k + 1], product);
      e[0] = e[0] + product[0];
      e[1] = e[1] + product[1];
      Multiply(upper[0], upper[1], rest[2 * k], rest[2 * k + 1], product);
      e[2] = e[2] + product[0];
      e[3] = e[3] + product[1];
      V with_one[2];
      Multiply(upper[0], upper[1], bit[2], bit[3], with_one);
      Multiply(lower[0], lower[1], bit[0], bit[1], lower);
      lower[0] = lower[0] + with_one[0];
      lower[1] = lower[1] + with_one[1];
    }
    StoreEnvironment(first_bit + j, e[0], e[1], e[2], e[3]);
  }
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_PRODUCT_H_
