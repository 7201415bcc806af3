// Sums over strings of Zs, for a chunk of the state at once: by halving the chunk bit by bit, as
// in a fast Walsh-Hadamard transform that leaves out what no string needs.
#ifndef QKERAS_HYBRID_NATIVE_TREES_H_
#define QKERAS_HYBRID_NATIVE_TREES_H_

#include "passes.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::Tree;
using qkeras_hybrid::TreeNode;
using qkeras_hybrid::TreeTerm;

// Flips the sign in the lanes of `mask`.
inline Vec<float> Negate(Vec<float> v, UintVec<float> mask) {
  return (Vec<float>)((UintVec<float>)v ^ (mask & 0x80000000u));
}
inline Vec<double> Negate(Vec<double> v, UintVec<double> mask) {
  return (Vec<double>)((UintVec<double>)v ^ (mask & uint64_t{1} << 63));
}
inline UintVec<float> Negate(UintVec<float> v, UintVec<float> mask) { return (v ^ mask) - mask; }
inline UintVec<double> Negate(UintVec<double> v, UintVec<double> mask) { return (v ^ mask) - mask; }

// out[k] = sum over the node's leaves of leaf * (-1)^parity(mask & k), for 2^level entries.
template <class E>
void Unfold(const Tree& tree, int32_t index, uint32_t level, const E* leaves, E* out) {
  const TreeNode& node = tree.nodes[index];
  const int64_t size = int64_t{1} << level, half = size / 2;
  if (node.zero < 0 && node.one < 0) {
    E value = leaves[node.leaf_begin];
    for (uint32_t i = node.leaf_begin + 1; i < node.leaf_end; ++i) value = value + leaves[i];
    for (int64_t k = 0; k < size; ++k) out[k] = value;
    return;
  }
  E *lower = out, *upper = out + half;
  if (node.one < 0) {
    Unfold(tree, node.zero, level - 1, leaves, lower);
    for (int64_t k = 0; k < half; ++k) upper[k] = lower[k];
  } else if (node.zero < 0) {
    Unfold(tree, node.one, level - 1, leaves, lower);
    for (int64_t k = 0; k < half; ++k) upper[k] = -lower[k];
  } else {
    Unfold(tree, node.zero, level - 1, leaves, lower);
    Unfold(tree, node.one, level - 1, leaves, upper);
    for (int64_t k = 0; k < half; ++k) {
      const E a = lower[k], b = upper[k];
      lower[k] = a + b;
      upper[k] = a - b;
    }
  }
}

// The transpose: leaf = sum over k of values[k] * (-1)^parity(mask & k). Overwrites the values.
template <class V>
void Fold(const Tree& tree, int32_t index, uint32_t level, V* values, V* leaves) {
  const TreeNode& node = tree.nodes[index];
  const int64_t size = int64_t{1} << level, half = size / 2;
  if (node.zero < 0 && node.one < 0) {
    V sum = values[0];
    for (int64_t k = 1; k < size; ++k) sum = sum + values[k];
    for (uint32_t i = node.leaf_begin; i < node.leaf_end; ++i) leaves[i] = sum;
    return;
  }
  V *lower = values, *upper = values + half;
  if (node.one < 0) {
    for (int64_t k = 0; k < half; ++k) lower[k] = lower[k] + upper[k];
    Fold(tree, node.zero, level - 1, lower, leaves);
  } else if (node.zero < 0) {
    for (int64_t k = 0; k < half; ++k) lower[k] = lower[k] - upper[k];
    Fold(tree, node.one, level - 1, lower, leaves);
  } else {
    for (int64_t k = 0; k < half; ++k) {
      const V a = lower[k], b = upper[k];
      lower[k] = a + b;
      upper[k] = a - b;
    }
    Fold(tree, node.zero, level - 1, lower, leaves);
    Fold(tree, node.one, level - 1, upper, leaves);
  }
}

// The tree's sum over terms of value(t) * (-1)^parity(mask & k), for a chunk of the entries.
// `masks[m]` has all ones in the lanes whose number has odd parity with m.
template <class E, class U, class F>
void FillChunk(const Tree& tree, const U* masks, F value, int64_t chunk, E* leaves, E* out) {
  for (uint32_t i = 0; i < tree.n_leaves; ++i) leaves[i] = E{};
  for (uint32_t t = 0; t < tree.n_terms; ++t) {
    const TreeTerm& term = tree.terms[t];
    const E one = value(t);
    E& leaf = leaves[term.leaf];
    leaf = OddParity(term.outer & chunk) ? leaf - one : leaf + one;
  }
  for (uint32_t i = 0; i < tree.n_leaves; ++i) {
    if (tree.leaf_lane_masks[i] != 0) {
      leaves[i] = Negate(leaves[i], masks[tree.leaf_lane_masks[i]]);
    }
  }
  Unfold(tree, 0, tree.levels, leaves, out);
}

// Adds the tree's sums over a chunk of `values` to sums[term].
template <class V, class U>
void FoldChunk(const Tree& tree, const U* masks, int64_t chunk, V* values, V* leaves, V* sums) {
  Fold(tree, 0, tree.levels, values, leaves);
  for (uint32_t i = 0; i < tree.n_leaves; ++i) {
    if (tree.leaf_lane_masks[i] != 0) {
      leaves[i] = Negate(leaves[i], masks[tree.leaf_lane_masks[i]]);
    }
  }
  for (uint32_t t = 0; t < tree.n_terms; ++t) {
    const V leaf = leaves[tree.terms[t].leaf];
    sums[t] = OddParity(tree.terms[t].outer & chunk) ? sums[t] - leaf : sums[t] + leaf;
  }
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_TREES_H_
