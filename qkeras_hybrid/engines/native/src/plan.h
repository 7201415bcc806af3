// A serialized program: read, checked, and laid out for the kernels.
#ifndef QKERAS_HYBRID_NATIVE_PLAN_H_
#define QKERAS_HYBRID_NATIVE_PLAN_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "view.h"

namespace qkeras_hybrid {

// No instruction set has vectors of 2^8 lanes.
inline constexpr uint32_t kMaxLaneBits = 8;

// A rotation, or with `row` the index of the string, a measured Pauli string.
struct PauliOp {
  uint64_t x, z;
  double sign;
  uint32_t row;
};

struct PhaseOp {
  uint64_t z;
  double coefficient;
  uint32_t row;
};

struct DenseOp {
  uint32_t k;
  uint64_t flips[kMaxDenseQubits], reads[kMaxDenseQubits];
  uint32_t offsets[kMaxDenseQubits];
  std::vector<double> matrix;
};

struct StageOps {
  StageKind kind;
  std::vector<PauliOp> rotations;
  std::vector<PhaseOp> phases;
  DenseOp dense;
};

// A Layout with the memory that it points into.
class OwnedLayout {
 public:
  Layout view;

 private:
  friend class Plan;
  std::vector<Stage> stages_;
  std::vector<Block> blocks_;
  // One element a tree, so that pointers into them stay.
  std::vector<std::unique_ptr<std::vector<TreeNode>>> nodes_;
  std::vector<std::unique_ptr<std::vector<uint32_t>>> leaves_;
  std::vector<std::unique_ptr<std::vector<TreeTerm>>> terms_;
};

class Plan {
 public:
  ~Plan();
  // Returns null and says why in `error` if `bytes` is not a whole, consistent program.
  static std::unique_ptr<const Plan> Read(std::string_view bytes, std::string* error);

  uint32_t n_qubits() const { return n_qubits_; }
  uint32_t n_inputs() const { return n_inputs_; }
  uint32_t n_weights() const { return n_weights_; }
  uint32_t n_observables() const { return n_observables_; }
  uint32_t n_measured() const { return static_cast<uint32_t>(measured_.size()); }

  // `lane_bits` of the index's low bits are lanes of a vector; `shared_lane_bits` are where
  // tables that all samples share are made. Made at the first call, then kept.
  const Layout& ForLanes(uint32_t lane_bits, uint32_t shared_lane_bits) const;

 private:
  friend class PlanReader;
  Plan() = default;
  bool FromInputs(uint32_t row) const { return row != kNoRow && rows_[row].n_inputs > 0; }
  bool FromWeights(uint32_t row) const { return row != kNoRow && rows_[row].n_weights > 0; }
  Gate MakeGate(const PauliOp& op, uint32_t lane_bits, uint32_t* slots) const;
  std::unique_ptr<const OwnedLayout> MakeLayout(uint32_t lane_bits,
                                                uint32_t shared_lane_bits) const;
  void AddBlocks(const std::vector<PauliOp>& ops, uint32_t lane_bits, uint32_t* slots,
                 std::vector<Block>* blocks) const;
  Tree MakeTree(const std::vector<PhaseOp>& terms, uint32_t lane_bits, bool rows_are_angles,
                OwnedLayout* owner) const;
  Dense MakeDense(const DenseOp& op, uint32_t lane_bits) const;

  uint32_t n_qubits_ = 0, n_inputs_ = 0, n_weights_ = 0, n_observables_ = 0;
  std::vector<Row> rows_;
  std::vector<Summand> summands_;
  std::vector<uint32_t> chain_begin_;
  std::vector<ChainGate> chain_;
  std::vector<StageOps> stages_;
  std::vector<PauliOp> measured_;
  std::vector<uint32_t> measured_x_;
  std::vector<Entry> entries_;
  std::vector<uint64_t> reads_;
  std::vector<uint32_t> read_offsets_;

  // By both numbers of lane bits, made when first requested. There is no lock, since a forked child
  // could find it held forever.
  mutable std::array<std::atomic<const OwnedLayout*>, kMaxLaneBits * kMaxLaneBits> layouts_{};
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_PLAN_H_
