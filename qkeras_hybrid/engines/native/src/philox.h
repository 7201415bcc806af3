// Random numbers from a counter: Philox4x32 with ten rounds, Salmon et al. (2011), "Parallel random
// numbers: as easy as 1, 2, 3", https://doi.org/10.1145/2063384.2063405.
#ifndef QKERAS_HYBRID_NATIVE_PHILOX_H_
#define QKERAS_HYBRID_NATIVE_PHILOX_H_

#include <cstdint>

namespace qkeras_hybrid {

// Block `position` of the stream that two numbers name, as TensorFlow counts it: the first is the
// key, the second the upper half of the counter.
struct PhiloxBlock {
  uint32_t words[4];
};

inline PhiloxBlock Philox(const int64_t stream[2], uint64_t position) {
  constexpr uint64_t kFactors[2] = {0xD2511F53u, 0xCD9E8D57u};
  constexpr uint32_t kSteps[2] = {0x9E3779B9u, 0xBB67AE85u};
  const auto low = [](uint64_t x) { return static_cast<uint32_t>(x); };
  const auto high = [](uint64_t x) { return static_cast<uint32_t>(x >> 32); };
  const auto first = static_cast<uint64_t>(stream[0]), second = static_cast<uint64_t>(stream[1]);
  uint32_t key[2] = {low(first), high(first)};
  uint32_t c[4] = {low(position), high(position), low(second), high(second)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kFactors[0] * c[0], b = kFactors[1] * c[2];
    const uint32_t next[4] = {high(b) ^ c[1] ^ key[0], low(b), high(a) ^ c[3] ^ key[1], low(a)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    for (int i = 0; i < 2; ++i) key[i] += kSteps[i];
  }
  return {{c[0], c[1], c[2], c[3]}};
}

// The first 53 bits of a block as a number in [0, 1).
inline double UnitInterval(const PhiloxBlock& block) {
  const uint64_t word = uint64_t{block.words[0]} << 32 | block.words[1];
  return static_cast<double>(word >> 11) * 0x1p-53;
}

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_PHILOX_H_
