// The kernels of one instruction set. Compiled once for each, with QH_KERNELS_NAME naming the
// function that hands them out (baseline, avx2, avx512).
#include "anneal.h"
#include "dense.h"
#include "density.h"
#include "dispatch.h"
#include "groups.h"
#include "kernel_set.h"
#include "observables.h"
#include "peak.h"
#include "phases.h"
#include "prepare.h"
#include "product.h"
#include "qaoa.h"
#include "rotations.h"
#include "runner.h"
#include "samples.h"
#include "states.h"
#include "view.h"
#include "workspace.h"

namespace {

template <class T>
qkeras_hybrid::KernelSet<T> Make() {
  constexpr int kFull = Log2(Simd<T>::kLanes);
  qkeras_hybrid::Kernels<T> kernels;
  kernels.lane_bits = kFull;
  kernels.task_bytes = [](const Layout& layout, bool backward) {
    return layout.lane_bits == 0 ? Workspace<T, 0>::TaskBytes(layout, backward)
                                 : Workspace<T, kFull>::TaskBytes(layout, backward);
  };
  kernels.shared_bytes = [](const Layout& layout, int64_t batch) {
    return layout.lane_bits == 0 ? Workspace<T, 0>::SharedBytes(layout, batch)
                                 : Workspace<T, kFull>::SharedBytes(layout, batch);
  };
  kernels.kept_places = [](const Layout& layout, int64_t batch) {
    return layout.lane_bits == 0 ? Workspace<T, 0>::KeptPlaces(batch)
                                 : Workspace<T, kFull>::KeptPlaces(batch);
  };
  kernels.kept_numbers = [](const Layout& layout) {
    return layout.lane_bits == 0 ? Workspace<T, 0>::KeptNumbers(layout)
                                 : Workspace<T, kFull>::KeptNumbers(layout);
  };
  kernels.run = [](const Request<T>& request) {
    return request.layout->lane_bits == 0 ? Runner<T, 0>::Run(request)
                                          : Runner<T, kFull>::Run(request);
  };
  kernels.multiply_adds = MultiplyAdds<T>;
  return {kernels,
          {Simd<T>::kLanes, DensityRunner<T>::TaskBytes, DensityRunner<T>::Run},
          {QaoaSample<T>::Bytes, RunQaoa<T>}};
}

}  // namespace

namespace qkeras_hybrid {

void QH_KERNELS_NAME(InstructionSet* set) {
  // Two vectors at a time hide the latency of one's field behind the other's.
  using Replicas = Annealer<2>;
  set->single = Make<float>();
  set->twice = Make<double>();
  set->annealing = {Replicas::kReplicas, Replicas::TaskBytes, Replicas::Run};
}

}  // namespace qkeras_hybrid
