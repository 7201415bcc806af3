// Measured Pauli strings, and the start of the gradient.
#ifndef QKERAS_HYBRID_NATIVE_OBSERVABLES_H_
#define QKERAS_HYBRID_NATIVE_OBSERVABLES_H_

#include "runner.h"
#include "simd.h"
#include "trees.h"
#include "view.h"

namespace {

using qkeras_hybrid::Gate;
using qkeras_hybrid::Tree;

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Measure() {
  const V *psi = task_.psi, scale = psi_scale_ * psi_scale_;
  const Tree& tree = layout_.measured_tree;
  if (tree.n_terms > 0) {
    const int64_t chunks = n_vectors_ >> tree.levels, size = int64_t{1} << tree.levels;
    ForParts(chunks, [&](int64_t begin, int64_t end, int part) {
      V* sums = ClearSums(part, tree.n_terms);
      V* squares = ChunkMemory(part);
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const V* at = psi + 2 * size * chunk;
        for (int64_t k = 0; k < size; ++k) {
          squares[k] = at[2 * k] * at[2 * k] + at[2 * k + 1] * at[2 * k + 1];
        }
        FoldChunk(tree, shared_.masks, chunk, squares, LeafMemory(part), sums);
      }
    });
    const V* sums = JoinSums(Parts(chunks), tree.n_terms);
    for (uint32_t t = 0; t < tree.n_terms; ++t) {
      AddToSample(&task_.values[tree.terms[t].row], sums[t],
                  static_cast<T>(tree.terms[t].coefficient) * scale);
    }
  }
  for (uint32_t b = 0; b < layout_.n_measured_blocks; ++b) {
    const Block& block = layout_.blocks[layout_.n_blocks + b];
    Pass<T> pass;
    pass.block = &block;
    for (uint32_t j = 0; j < block.count; ++j) {
      pass.signs[j] = shared_.signs + 2 * block.gates[j].slot;
    }
    const auto passes = PassesFor<T, kLaneBits>(block);
    ForParts(PassSize(block), [&](int64_t begin, int64_t end, int part) {
      V* sums = ClearSums(part, block.count);
      InRuns(begin, end, [&](int64_t from, int64_t to) {
        passes.measure(psi, pass, from, to, sums);
      });
    });
    const V* sums = JoinSums(Parts(PassSize(block)), block.count);
    for (uint32_t j = 0; j < block.count; ++j) {
      AddToSample(&task_.values[block.gates[j].row], sums[j], scale);
    }
  }
}

// lambda = sum over measured strings of weight * P psi.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::StartLambda() {
  const V* psi = task_.psi;
  V* lambda = task_.lambda;
  const Tree& tree = layout_.measured_tree;
  for (uint32_t t = 0; t < tree.n_terms; ++t) {
    task_.term_values[t] = OfSample(task_.values[tree.terms[t].row]) * psi_scale_ *
                           static_cast<T>(tree.terms[t].coefficient);
  }
  const int64_t chunks = n_vectors_ >> tree.levels, size = int64_t{1} << tree.levels;
  ForParts(chunks, [&](int64_t begin, int64_t end, int part) {
    V* diagonal = ChunkMemory(part);
    for (int64_t k = 0; k < size; ++k) diagonal[k] = V{};
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      if (tree.n_terms > 0) {
        FillChunk(tree, shared_.masks, [&](uint32_t t) { return task_.term_values[t]; }, chunk,
                  LeafMemory(part), diagonal);
      }
      const V* from = psi + 2 * size * chunk;
      V* to = lambda + 2 * size * chunk;
      for (int64_t k = 0; k < size; ++k) {
        to[2 * k] = diagonal[k] * from[2 * k];
        to[2 * k + 1] = diagonal[k] * from[2 * k + 1];
      }
    }
  });
  for (uint32_t b = 0; b < layout_.n_measured_blocks; ++b) {
    const Block& block = layout_.blocks[layout_.n_blocks + b];
    Pass<T> pass;
    pass.block = &block;
    for (uint32_t j = 0; j < block.count; ++j) {
      const Gate& gate = block.gates[j];
      const V weight = OfSample(task_.values[gate.row]) * psi_scale_;
      V* weights = task_.tangents + 2 * gate.slot;
      weights[0] = shared_.signs[2 * gate.slot] * weight;
      weights[1] = shared_.signs[2 * gate.slot + 1] * weight;
      pass.coefficients[j] = weights;
    }
    const auto passes = PassesFor<T, kLaneBits>(block);
    ForParts(PassSize(block), [&](int64_t begin, int64_t end, int) {
      passes.accumulate(psi, lambda, pass, begin, end);
    });
  }
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_OBSERVABLES_H_
