// Fixed unitaries on up to three qubits.
#ifndef QKERAS_HYBRID_NATIVE_DENSE_H_
#define QKERAS_HYBRID_NATIVE_DENSE_H_

#include "runner.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::Dense;

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::MakeDense(const Dense& dense) {
  const uint32_t size = 1u << dense.k;
  for (uint32_t inverse = 0; inverse < 2; ++inverse) {
    for (uint32_t hi = 0; hi < size; ++hi) {
      for (uint32_t d = 0; d < size; ++d) {
        V* to = shared_.dense + (((dense.slot * 2 + inverse) * 8 + hi) * 8 + d) * 2;
        for (int lane = 0; lane < kLanes; ++lane) {
          uint32_t row = hi;
          for (uint32_t q = 0; q < dense.k; ++q) {
            const uint32_t bit = OddParity(dense.r_lane[q] & lane) ^ dense.offset[q];
            row ^= bit << (dense.k - 1 - q);
          }
          const uint32_t from = inverse ? row ^ d : row, other = inverse ? row : row ^ d;
          const double* entry = dense.matrix + 2 * (from * size + other);
          to[0][lane] = static_cast<T>(entry[0]);
          to[1][lane] = static_cast<T>(inverse ? -entry[1] : entry[1]);
        }
      }
    }
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::ApplyDense(const Dense& dense, bool inverse, V* state) const {
  const V* matrix = shared_.dense + (dense.slot * 2 + inverse) * 128;
  const uint32_t size = 1u << dense.rank, span = 1u << dense.k;
  LaneExchange<T> exchange[8];
  for (uint32_t d = 0; d < span; ++d) exchange[d] = LaneExchange<T>(dense.lane_xor[d]);
  ForParts(n_vectors_ >> dense.rank, [&](int64_t begin, int64_t end, int) {
    for (int64_t c = begin; c < end; ++c) {
      uint64_t base = c;
      for (uint32_t i = 0; i < dense.rank; ++i) {
        const uint64_t low = (uint64_t{1} << dense.pivots[i]) - 1;
        base = ((base & ~low) << 1) | (base & low);
      }
      V in[16];
      for (uint32_t b = 0; b < size; ++b) {
        in[2 * b] = state[2 * (base ^ dense.span[b])];
        in[2 * b + 1] = state[2 * (base ^ dense.span[b]) + 1];
      }
      for (uint32_t b = 0; b < size; ++b) {
        uint32_t hi = 0;
        for (uint32_t q = 0; q < dense.k; ++q) {
          hi = hi << 1 | static_cast<uint32_t>(OddParity((base ^ dense.span[b]) & dense.r_hi[q]));
        }
        V sum_re{}, sum_im{};
        for (uint32_t d = 0; d < span; ++d) {
          const uint32_t from = b ^ dense.source[d];
          const V re = exchange[d](in[2 * from]), im = exchange[d](in[2 * from + 1]);
          const V *m = matrix + (hi * 8 + d) * 2;
          sum_re = sum_re + m[0] * re - m[1] * im;
          sum_im = sum_im + m[0] * im + m[1] * re;
        }
        state[2 * (base ^ dense.span[b])] = sum_re;
        state[2 * (base ^ dense.span[b]) + 1] = sum_im;
      }
    }
  });
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_DENSE_H_
