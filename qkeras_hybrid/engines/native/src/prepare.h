// What all samples share: angles that depend on weights only, signs and tangents of the gates, phase
// tables.
#ifndef QKERAS_HYBRID_NATIVE_PREPARE_H_
#define QKERAS_HYBRID_NATIVE_PREPARE_H_

#include "runner.h"
#include "simd.h"
#include "trees.h"
#include "view.h"

namespace {

using qkeras_hybrid::Gate;
using qkeras_hybrid::Row;
using qkeras_hybrid::Stage;
using qkeras_hybrid::StageKind;
using qkeras_hybrid::Tree;
using qkeras_hybrid::TreeTerm;
using qkeras_hybrid::kNoRow;

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Prepare() {
  double poison = 0;
  for (uint32_t r = 0; r < layout_.n_rows; ++r) {
    const Row& row = layout_.rows[r];
    double theta = row.offset;
    for (uint32_t i = row.n_inputs; i < row.n_inputs + row.n_weights; ++i) {
      theta += row.summands[i].coefficient *
               static_cast<double>(request_.weights[row.summands[i].index]);
    }
    if (!IsFinite(theta)) {
      poison = __builtin_nan("");
      theta = 0;
    }
    shared_.theta[r] = theta;
  }
  // A weight that no angle uses counts too: the result must not depend on the light cone.
  for (uint32_t w = 0; w < layout_.n_weights; ++w) {
    if (!IsFinite(static_cast<double>(request_.weights[w]))) poison = __builtin_nan("");
  }
  shared_.poison = poison;
  for (uint32_t first = 0; first < layout_.n_rows; first += kLanes) {
    const int count = static_cast<int>(Min(kLanes, layout_.n_rows - first));
    U turns{};
    for (int i = 0; i < count; ++i) {
      turns[i] = Turns<T>(shared_.theta[first + i] * (0.5 / kTurn));
    }
    V c, s;
    CosSin<T>(turns, &c, &s);
    for (int i = 0; i < count; ++i) {
      shared_.row_cos[first + i] = Splat<T>(c[i]);
      shared_.row_sin[first + i] = Splat<T>(s[i]);
    }
  }
  for (int mask = 0; mask < kLanes; ++mask) {
    for (int lane = 0; lane < kLanes; ++lane) {
      shared_.masks[mask][lane] = static_cast<Uint>(0) - OddParity(mask & lane);
    }
  }
  const uint32_t n_blocks = layout_.n_blocks + layout_.n_measured_blocks;
  for (uint32_t b = 0; b < n_blocks; ++b) {
    for (uint32_t j = 0; j < layout_.blocks[b].count; ++j) {
      const Gate& gate = layout_.blocks[b].gates[j];
      V* signs = shared_.signs + 2 * gate.slot;
      signs[0] = Negate(Splat(static_cast<T>(gate.sign)), shared_.masks[gate.z_lane]);
      signs[1] = -signs[0];
      if (b < layout_.n_blocks && layout_.rows[gate.row].n_inputs == 0) {
        SetTangents(shared_.row_cos[gate.row], shared_.row_sin[gate.row], signs,
                    shared_.tangents + 2 * gate.slot);
      }
    }
  }
  for (uint32_t s = 0; s < layout_.n_stages; ++s) {
    const Stage& stage = layout_.stages[s];
    if (stage.kind == StageKind::kPhases) {
      for (uint32_t t = 0; t < stage.tree.n_terms; ++t) {
        const TreeTerm& term = stage.tree.terms[t];
        const double angle = term.row == kNoRow ? 1.0 : shared_.theta[term.row];
        shared_.turns[s][t] = Turns<T>(angle * term.coefficient / kTurn);
      }
      if (shared_.tables[s] != nullptr) MakeTable(s);
    } else if (stage.kind == StageKind::kDense) {
      MakeDense(stage.dense);
    }
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::SetTangents(V c, V s, const V* signs, V* tangents) {
  const V t = s / c;
  tangents[0] = signs[0] * t;
  tangents[1] = signs[1] * t;
}

// Factors of a phase stage, made with the amplitudes in the lanes. If the lanes are samples, they
// are kept as numbers.
template <class T, int kLaneBits>
void Runner<T, kLaneBits>::MakeTable(uint32_t s) {
  const Tree& tree = layout_.stages[s].shared_tree;
  const int64_t size = int64_t{1} << tree.levels;
  const int64_t chunks = static_cast<int64_t>(Space::TableSize(layout_)) / 2 / kLanes / size;
  const int64_t jobs = chunks >= kTableJobs ? kTableJobs : 1;
  auto job = [&](int64_t j) {
    U out[kMaxChunk];
    U* leaves = shared_.leaves + j * max_terms_;
    for (int64_t chunk = chunks * j / jobs; chunk < chunks * (j + 1) / jobs; ++chunk) {
      FillChunk(tree, shared_.masks, [&](uint32_t t) { return shared_.turns[s][t] - U{}; }, chunk,
                leaves, out);
      T* to = shared_.tables[s] + 2 * kLanes * size * chunk;
      for (int64_t k = 0; k < size; ++k, to += 2 * kLanes) {
        V re, im;
        CosSin<T>(out[k], &re, &im);
        if (kSampleLanes) {
          for (int i = 0; i < kLanes; ++i) {
            to[2 * i] = re[i];
            to[2 * i + 1] = im[i];
          }
        } else {
          reinterpret_cast<V*>(to)[0] = re;
          reinterpret_cast<V*>(to)[1] = im;
        }
      }
    }
  };
  if (jobs == 1 || n_vectors_ < kMinSplitVectors) {
    for (int64_t j = 0; j < jobs; ++j) job(j);
  } else {
    Parallel(jobs, job);
  }
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_PREPARE_H_
