// All kernels together; see view.h for why these are plain structures.
#ifndef QKERAS_HYBRID_NATIVE_KERNEL_SET_H_
#define QKERAS_HYBRID_NATIVE_KERNEL_SET_H_

#include "density_view.h"
#include "qaoa_view.h"
#include "view.h"

namespace qkeras_hybrid {

// All that one instruction set offers, for one floating type.
template <class T>
struct KernelSet {
  Kernels<T> states;
  DensityKernels<T> densities;
  QaoaKernels<T> qaoa;
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_KERNEL_SET_H_
