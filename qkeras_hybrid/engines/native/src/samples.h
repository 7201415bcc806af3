// One sample, or a lane group of them: forward, then backward.
#ifndef QKERAS_HYBRID_NATIVE_SAMPLES_H_
#define QKERAS_HYBRID_NATIVE_SAMPLES_H_

#include "runner.h"
#include "simd.h"
#include "view.h"

namespace {

using qkeras_hybrid::Stage;
using qkeras_hybrid::StageKind;

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::RunSample(int64_t first, int count) {
  StartFactors();
  if (backward_ && request_.given_kept != nullptr) {
    LoadKept(first);
  } else {
    Forward();
  }
  if (backward_) {
    Backward(first, count);
  } else if (request_.expectations != nullptr) {
    Measure();
    if (request_.kept != nullptr) StoreKept(first);
  } else {
    StoreState(first, count);
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Forward() {
  psi_scale_ = Splat(T{1});
  // If the first stage is one of phases, the product is multiplied with it while it is made.
  const bool with_phases =
      layout_.n_stages > 0 && layout_.stages[0].kind == StageKind::kPhases;
  StartProduct(with_phases);
  for (uint32_t s = with_phases ? 1 : 0; s < layout_.n_stages; ++s) {
    const Stage& stage = layout_.stages[s];
    if (stage.kind == StageKind::kRotations) {
      for (uint32_t b = stage.block_begin; b < stage.block_end; ++b) {
        RotateBlock(layout_.blocks[b]);
      }
    } else if (stage.kind == StageKind::kPhases) {
      ApplyPhases(s);
    } else {
      ApplyDense(stage.dense, false, task_.psi);
    }
  }
}

template <class T, int kLaneBits>
void Runner<T, kLaneBits>::Backward(int64_t first, int count) {
  lambda_scale_ = Splat(T{1});
  if (request_.upstream != nullptr) {
    StartLambda();
  } else {
    LoadLambda(first, count);
  }
  for (uint32_t s = layout_.n_stages; s-- > 0;) {
    const Stage& stage = layout_.stages[s];
    // No operation before it has an angle whose gradient is needed.
    if (!Needed(stage.needed_by_weights, stage.needed_by_inputs)) return;
    if (stage.kind == StageKind::kRotations) {
      for (uint32_t b = stage.block_end; b-- > stage.block_begin;) BackBlock(layout_.blocks[b]);
    } else if (stage.kind == StageKind::kPhases) {
      BackPhases(s, s > 0);
    } else {
      ApplyDense(stage.dense, true, task_.psi);
      ApplyDense(stage.dense, true, task_.lambda);
    }
  }
  if (ChainNeeded()) ProductGradient();
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_SAMPLES_H_
