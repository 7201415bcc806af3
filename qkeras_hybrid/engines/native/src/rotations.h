// Rotations about Pauli strings, one block of them per pass.
//
// They are applied without their factor cos(angle/2), which saves half of the multiplications. The
// stored vector is the true one divided by a scale that is kept next to it. The vector is multiplied
// by the scale before it could leave the range of the floating type.
#ifndef QKERAS_HYBRID_NATIVE_ROTATIONS_H_
#define QKERAS_HYBRID_NATIVE_ROTATIONS_H_

#include "runner.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::Gate;

// A vector's scale stays above the first number. If a block's own factor is below the second (it has
// an angle close to pi), the block is applied gate by gate, each gate twice with half its angle.
constexpr double kSmallestScale = 0x1p-30, kSmallestBlockScale = 0x1p-12;

template <class T, int kLaneBits>
bool Runner<T, kLaneBits>::AnyBelow(V v, double bound) {
  bool below = false;
  for (int i = 0; i < (kSampleLanes ? kLanes : 1); ++i) {
    const T x = v[i] < 0 ? -v[i] : v[i];
    below = below || x < static_cast<T>(bound);
  }
  return below;
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Rescale(V* state, V* scale) const {
  if (!AnyBelow(*scale, kSmallestScale)) return;
  const V by = *scale;
  ForParts(2 * n_vectors_, [=](int64_t begin, int64_t end, int) {
    for (int64_t k = begin; k < end; ++k) state[k] = state[k] * by;
  });
  *scale = Splat(T{1});
}

// Fills in a pass over the rotations of a block and returns the product of their cosines, and
// each one's in `cosines`.
template <class T, int kLaneBits>
Vec<T> Runner<T, kLaneBits>::PreparePass(const Block& block, Pass<T>* pass, V* cosines) {
  pass->block = &block;
  V product = Splat(T{1});
  for (uint32_t j = 0; j < block.count; ++j) {
    const Gate& gate = block.gates[j];
    pass->signs[j] = shared_.signs + 2 * gate.slot;
    if (layout_.rows[gate.row].n_inputs == 0) {
      pass->coefficients[j] = shared_.tangents + 2 * gate.slot;
      cosines[j] = shared_.row_cos[gate.row];
    } else {
      V* tangents = task_.tangents + 2 * gate.slot;
      cosines[j] = OfSample(task_.row_cos[gate.row]);
      SetTangents(cosines[j], OfSample(task_.row_sin[gate.row]), pass->signs[j], tangents);
      pass->coefficients[j] = tangents;
    }
    product = product * cosines[j];
  }
  return product;
}

// Makes one gate of a block a separate block with half its angle; returns the factor that is left
// out when it is applied twice.
template <class T, int kLaneBits>
Vec<T> Runner<T, kLaneBits>::PrepareHalf(const Block& block, uint32_t j, Block* single,
                                         Pass<T>* pass) {
  const Gate& gate = block.gates[j];
  *single = Block{};
  single->lanes = block.lanes;
  single->count = 1;
  single->gates[0] = gate;
  single->x_types = gate.y_like ? 0 : 1;
  if (!block.lanes) {
    single->pivots[0] = 63 - static_cast<uint32_t>(__builtin_clzll(gate.x_hi));
    single->offsets[1] = gate.x_hi;
    single->lane_xor[1] = gate.x_lane;
  }
  pass->block = single;
  pass->signs[0] = shared_.signs + 2 * gate.slot;
  const V c = OfSample(RowCos(gate.row)), s = OfSample(RowSin(gate.row));
  // Adding half a turn to the angle only changes the sign, and the nearer half has a positive
  // cosine; then tan(a/2) = sin a / (1 + cos a).
  const V flip = c < 0 ? Splat(T{-1}) : Splat(T{1});
  const V t = flip * s / (T{1} + flip * c);
  task_.spare[0] = pass->signs[0][0] * t;
  task_.spare[1] = pass->signs[0][1] * t;
  pass->coefficients[0] = task_.spare;
  return flip * (T{0.5} + T{0.5} * flip * c);
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::RotateBlock(const Block& block) {
  Pass<T> pass;
  V cosines[qkeras_hybrid::kMaxBlockGates];
  const V product = PreparePass(block, &pass, cosines);
  if (AnyBelow(product, kSmallestBlockScale)) {
    for (uint32_t j = 0; j < block.count; ++j) {
      Block single;
      const V scale = PrepareHalf(block, j, &single, &pass);
      Rotate(pass);
      Rotate(pass);
      psi_scale_ = psi_scale_ * scale;
    }
  } else {
    Rotate(pass);
    psi_scale_ = psi_scale_ * product;
  }
  Rescale(task_.psi, &psi_scale_);
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Rotate(const Pass<T>& pass) {
  const auto passes = PassesFor<T, kLaneBits>(*pass.block);
  ForParts(PassSize(*pass.block), [&](int64_t begin, int64_t end, int) {
    passes.rotate(task_.psi, pass, begin, end);
  });
}

template <class T, int kLaneBits>
Vec<T>* Runner<T, kLaneBits>::Back(const Pass<T>& pass) {
  const auto passes = PassesFor<T, kLaneBits>(*pass.block);
  const uint32_t count = pass.block->count;
  const int64_t size = PassSize(*pass.block);
  ForParts(size, [&](int64_t begin, int64_t end, int part) {
    V* sums = ClearSums(part, count);
    InRuns(begin, end, [&](int64_t from, int64_t to) {
      passes.back(task_.psi, task_.lambda, pass, from, to, sums);
    });
  });
  return JoinSums(Parts(size), count);
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::BackBlock(const Block& block) {
  Pass<T> pass;
  V cosines[qkeras_hybrid::kMaxBlockGates];
  const V product = PreparePass(block, &pass, cosines);
  if (AnyBelow(product, kSmallestBlockScale)) {
    for (uint32_t j = block.count; j-- > 0;) {
      Block single;
      const V scale = PrepareHalf(block, j, &single, &pass);
      AddToSample(&task_.row_gradient[block.gates[j].row], *Back(pass),
                  psi_scale_ * lambda_scale_);
      Back(pass);
      psi_scale_ = psi_scale_ * scale;
      lambda_scale_ = lambda_scale_ * scale;
    }
  } else {
    const V* sums = Back(pass);
    V scale = psi_scale_ * lambda_scale_;
    for (uint32_t j = block.count; j-- > 0;) {
      AddToSample(&task_.row_gradient[block.gates[j].row], sums[j], scale);
      // Gates on the lanes are undone one by one, each derivative taken at its own place.
      if (block.lanes) scale = scale * cosines[j] * cosines[j];
    }
    psi_scale_ = psi_scale_ * product;
    lambda_scale_ = lambda_scale_ * product;
  }
  Rescale(task_.psi, &psi_scale_);
  Rescale(task_.lambda, &lambda_scale_);
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_ROTATIONS_H_
