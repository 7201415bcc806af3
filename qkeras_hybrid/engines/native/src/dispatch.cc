#include "dispatch.h"

#include <cstdlib>

namespace qkeras_hybrid {

void Kernels_baseline(InstructionSet* set);
void Kernels_avx2(InstructionSet* set);
void Kernels_avx512(InstructionSet* set);

namespace {

InstructionSet Make(const char* name, void (*kernels)(InstructionSet*)) {
  InstructionSet set;
  set.name = name;
  kernels(&set);
  return set;
}

}  // namespace

const std::vector<InstructionSet>& InstructionSets() {
  static const auto* const sets = [] {
    auto* found = new std::vector<InstructionSet>();
#if defined(QH_X86)
    // Each name stands for all the flags that its kernels are compiled with.
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd")) {
      found->push_back(Make("avx512", Kernels_avx512));
    }
    if (avx2) found->push_back(Make("avx2", Kernels_avx2));
#endif
    found->push_back(Make("baseline", Kernels_baseline));
    return found;
  }();
  return *sets;
}

const InstructionSet* ActiveInstructionSet(std::string* error) {
  const std::vector<InstructionSet>& sets = InstructionSets();
  const char* forced = std::getenv("QKERAS_HYBRID_ISA");
  if (forced == nullptr || *forced == '\0') return &sets.front();
  std::string known;
  for (const InstructionSet& set : sets) {
    if (set.name == forced) return &set;
    known += (known.empty() ? "" : ", ") + set.name;
  }
  *error = "Environment variable QKERAS_HYBRID_ISA must name an instruction set that this machine "
           "and this build have (" + known + "), but is " + forced + ".";
  return nullptr;
}

}  // namespace qkeras_hybrid
