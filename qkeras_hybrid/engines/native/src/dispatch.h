// Picks the kernels of the best instruction set that this processor and this build have.
#ifndef QKERAS_HYBRID_NATIVE_DISPATCH_H_
#define QKERAS_HYBRID_NATIVE_DISPATCH_H_

#include <string>
#include <vector>

#include "annealing_view.h"
#include "kernel_set.h"

namespace qkeras_hybrid {

struct InstructionSet {
  std::string name;
  KernelSet<float> single;
  KernelSet<double> twice;
  AnnealingKernels annealing;
};

// The instruction sets that run here, best first; the last is "baseline".
const std::vector<InstructionSet>& InstructionSets();

// The instruction set in use: the best, or the one that the environment variable QKERAS_HYBRID_ISA
// names. Null, with the reason in `error`, if that one is not among InstructionSets().
const InstructionSet* ActiveInstructionSet(std::string* error);

template <class T>
const KernelSet<T>& KernelsOf(const InstructionSet& set);
template <>
inline const KernelSet<float>& KernelsOf<float>(const InstructionSet& set) {
  return set.single;
}
template <>
inline const KernelSet<double>& KernelsOf<double>(const InstructionSet& set) {
  return set.twice;
}

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_DISPATCH_H_
