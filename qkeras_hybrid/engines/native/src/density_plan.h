// A serialized program on density matrices: read, checked, and laid out for the kernels.
#ifndef QKERAS_HYBRID_NATIVE_DENSITY_PLAN_H_
#define QKERAS_HYBRID_NATIVE_DENSITY_PLAN_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "density_view.h"

namespace qkeras_hybrid {

inline constexpr std::string_view kDensityMagic = "QHD1";

class DensityPlan {
 public:
  // Returns null and says why in `error` if `bytes` is not a whole, consistent program.
  static std::unique_ptr<const DensityPlan> Read(std::string_view bytes, std::string* error);

  const DensityLayout& layout() const { return layout_; }

 private:
  friend class DensityReader;
  DensityPlan() = default;

  DensityLayout layout_{};
  std::vector<DensityTile> tiles_;
  std::vector<DensityOp> ops_;
  // What tiles and operations point into: a deque's elements stay where they are.
  std::deque<std::vector<uint32_t>> numbers_;
  std::deque<std::vector<double>> values_;
  std::deque<std::vector<float>> singles_;
  std::deque<std::vector<DensityFactor>> factors_;
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_DENSITY_PLAN_H_
