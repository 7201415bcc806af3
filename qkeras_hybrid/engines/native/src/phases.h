// Stages of phases: one multiplication per amplitude, for any number of phases.
#ifndef QKERAS_HYBRID_NATIVE_PHASES_H_
#define QKERAS_HYBRID_NATIVE_PHASES_H_

#include "runner.h"
#include "simd.h"
#include "trees.h"
#include "view.h"

namespace {

using qkeras_hybrid::Tree;
using qkeras_hybrid::TreeTerm;
using qkeras_hybrid::kNoRow;

// Calls body(k, re, im) with the factor of each entry of a chunk.
template <class T, int kLaneBits>
template <class F>
void Runner<T, kLaneBits>::ForFactors(uint32_t s, int64_t chunk, int part, F body) const {
  const Tree& tree = layout_.stages[s].tree;
  const int64_t size = int64_t{1} << tree.levels, first = chunk * size;
  const T* table = shared_.tables[s];
  if (table != nullptr && kSampleLanes) {
    for (int64_t k = first; k < first + size; ++k) {
      body(k, Splat(table[2 * k]), Splat(table[2 * k + 1]));
    }
  } else if (table != nullptr) {
    const V* vectors = reinterpret_cast<const V*>(table);
    for (int64_t k = first; k < first + size; ++k) body(k, vectors[2 * k], vectors[2 * k + 1]);
  } else {
    U* turns = reinterpret_cast<U*>(ChunkMemory(part));
    FillChunk(tree, shared_.masks, [&](uint32_t t) { return task_.turns[t]; }, chunk,
              reinterpret_cast<U*>(LeafMemory(part)), turns);
    for (int64_t k = 0; k < size; ++k) {
      V re, im;
      CosSin<T>(turns[k], &re, &im);
      body(first + k, re, im);
    }
  }
}

// The angles of the phase terms, in turns, of the running sample.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::SampleTurns(uint32_t s) {
  if (shared_.tables[s] != nullptr) return;
  const Tree& tree = layout_.stages[s].tree;
  for (uint32_t t = 0; t < tree.n_terms; ++t) {
    const TreeTerm& term = tree.terms[t];
    U turns = shared_.turns[s][t] - U{};
    if (term.row != kNoRow && layout_.rows[term.row].n_inputs > 0) {
      const double* theta = task_.row_theta + term.row * kLanes;
      const double factor = term.coefficient / kTurn;
      if (kSampleLanes) {
        turns = TurnsOf<T>(theta, factor);
      } else {
        turns = Turns<T>(theta[sample_] * factor) - U{};
      }
    }
    task_.turns[t] = turns;
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::ApplyPhases(uint32_t s) {
  SampleTurns(s);
  V* psi = task_.psi;
  const uint32_t levels = layout_.stages[s].tree.levels;
  ForParts(n_vectors_ >> levels, [&](int64_t begin, int64_t end, int part) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      ForFactors(s, chunk, part, [=](int64_t k, V re, V im) {
        Multiply(psi[2 * k], psi[2 * k + 1], re, im, psi + 2 * k);
      });
    }
  });
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::BackPhases(uint32_t s, bool psi_needed) {
  SampleTurns(s);
  V *psi = task_.psi, *lambda = task_.lambda;
  const Tree& tree = layout_.stages[s].gradient_tree;
  const uint32_t levels = layout_.stages[s].tree.levels;
  const int64_t chunks = n_vectors_ >> levels;
  ForParts(chunks, [&](int64_t begin, int64_t end, int part) {
    V* sums = ClearSums(part, tree.n_terms);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      V* products = ChunkMemory(part) + (int64_t{1} << levels);
      V* at = products - (chunk << levels);
      // Im(conj(lambda) psi), the same before and after.
      if (psi_needed) {
        ForFactors(s, chunk, part, [=](int64_t k, V re, V im) {
          at[k] = lambda[2 * k] * psi[2 * k + 1] - lambda[2 * k + 1] * psi[2 * k];
          Multiply(psi[2 * k], psi[2 * k + 1], re, -im, psi + 2 * k);
          Multiply(lambda[2 * k], lambda[2 * k + 1], re, -im, lambda + 2 * k);
        });
      } else {
        ForFactors(s, chunk, part, [=](int64_t k, V re, V im) {
          at[k] = lambda[2 * k] * psi[2 * k + 1] - lambda[2 * k + 1] * psi[2 * k];
          Multiply(lambda[2 * k], lambda[2 * k + 1], re, -im, lambda + 2 * k);
        });
      }
      if (tree.n_terms > 0) FoldChunk(tree, shared_.masks, chunk, products, LeafMemory(part), sums);
    }
  });
  const V* sums = JoinSums(Parts(chunks), tree.n_terms);
  for (uint32_t t = 0; t < tree.n_terms; ++t) {
    // d/da exp(i c a Z) = i c Z, and 2 Re <lambda| i c Z |psi> = -2 c sum Z Im(conj(lambda) psi).
    const T factor = static_cast<T>(-2 * tree.terms[t].coefficient);
    AddToSample(&task_.row_gradient[tree.terms[t].row], sums[t],
                factor * psi_scale_ * lambda_scale_);
  }
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_PHASES_H_
