// How many floating-point operations a laid-out program takes, for the share of the processor's
// peak that a run reaches.
#ifndef QKERAS_HYBRID_NATIVE_FLOPS_H_
#define QKERAS_HYBRID_NATIVE_FLOPS_H_

#include <cmath>
#include <cstdint>

#include "view.h"

namespace qkeras_hybrid {

// Additions that Fold (trees.h) makes on a chunk.
inline double FoldAdditions(const Tree& tree, int32_t index, uint32_t level) {
  const TreeNode& node = tree.nodes[index];
  const double size = std::exp2(level);
  if (node.zero < 0 && node.one < 0) return size - 1;
  if (node.one < 0) return size / 2 + FoldAdditions(tree, node.zero, level - 1);
  if (node.zero < 0) return size / 2 + FoldAdditions(tree, node.one, level - 1);
  return size + FoldAdditions(tree, node.zero, level - 1) +
         FoldAdditions(tree, node.one, level - 1);
}

// Additions that Unfold (trees.h) makes for a chunk.
inline double UnfoldAdditions(const Tree& tree, int32_t index, uint32_t level) {
  const TreeNode& node = tree.nodes[index];
  if (node.zero < 0 && node.one < 0) return node.leaf_end - node.leaf_begin - 1;
  if (node.one < 0) return UnfoldAdditions(tree, node.zero, level - 1);
  if (node.zero < 0) return UnfoldAdditions(tree, node.one, level - 1);
  return std::exp2(level) + UnfoldAdditions(tree, node.zero, level - 1) +
         UnfoldAdditions(tree, node.one, level - 1);
}

struct FlopCount {
  double expectation, gradient;
};

// The floating-point operations of one sample, forward and backward; a multiply-add counts as two.
// The count includes the work on vectors of 2^n numbers:
//
//   an amplitude of                          operations
//   the product start                        6, a complex multiplication
//   a rotation                               4, two multiply-adds
//   a stage of phases                        6
//   a dense gate on k qubits                 8 * 2^k
//   measured strings: all diagonal ones      3 for the probability, and the tree's additions
//                     another                2
//   their part in lambda: all diagonal ones  2, and the tree's additions
//                         another            4
//   a rotation, undone                       12: 4 for psi, 4 for lambda, 4 for the derivative
//   a stage of phases, undone                6 for lambda, 6 for psi unless nothing comes before,
//                                            3 for the derivatives, and the tree's additions
//   a dense gate, undone                     16 * 2^k
//   the product start's gradient             16
//
// It leaves out everything that takes less than 2^n operations (angles), everything that is made
// once per batch (phase tables), and the computation of phases that depend on inputs (integers,
// sines). It also leaves out the states that the gradient recomputes if they are too large to be
// kept: this takes time, but is no necessary work. `layout` has samples in the lanes.
inline FlopCount CountFlops(const Layout& layout) {
  const double size = std::exp2(layout.n_qubits);
  const auto fold = [size](const Tree& tree) {
    return size / std::exp2(tree.levels) * (tree.n_terms + FoldAdditions(tree, 0, tree.levels));
  };
  const auto rotations = [&layout](const Stage& stage) {
    uint32_t count = 0;
    for (uint32_t b = stage.block_begin; b < stage.block_end; ++b) count += layout.blocks[b].count;
    return count;
  };

  double state = 6 * size;
  for (uint32_t s = 0; s < layout.n_stages; ++s) {
    const Stage& stage = layout.stages[s];
    if (stage.kind == StageKind::kRotations) {
      state += 4 * size * rotations(stage);
    } else if (stage.kind == StageKind::kPhases) {
      state += 6 * size;
    } else {
      state += 8 * size * std::exp2(stage.dense.k);
    }
  }

  FlopCount count{state, 0};
  const Tree& tree = layout.measured_tree;
  const uint32_t flipping = layout.n_measured - tree.n_terms;
  count.expectation += 2 * size * flipping;
  count.gradient += 4 * size * flipping;
  if (tree.n_terms > 0) {
    count.expectation += 3 * size + fold(tree);
    count.gradient += 2 * size + size / std::exp2(tree.levels) *
                                     (tree.n_terms + UnfoldAdditions(tree, 0, tree.levels));
  }
  for (uint32_t s = layout.n_stages; s-- > 0;) {
    const Stage& stage = layout.stages[s];
    if (!stage.needed_by_weights && !stage.needed_by_inputs) return count;
    if (stage.kind == StageKind::kRotations) {
      count.gradient += 12 * size * rotations(stage);
    } else if (stage.kind == StageKind::kPhases) {
      count.gradient += (s > 0 ? 12 : 6) * size;
      if (stage.gradient_tree.n_terms > 0) count.gradient += 3 * size + fold(stage.gradient_tree);
    } else {
      count.gradient += 16 * size * std::exp2(stage.dense.k);
    }
  }
  if (layout.chain_needed_by_weights || layout.chain_needed_by_inputs) count.gradient += 16 * size;
  return count;
}

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_FLOPS_H_
