#include "plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "reader.h"

namespace qkeras_hybrid {
namespace {

constexpr std::string_view kMagic = "QHN1";
constexpr uint32_t kMaxQubits = 32;
// Levels of a phase tree: 2^6 vectors of 64 bytes are a twelfth of a level 1 cache.
constexpr uint32_t kTreeLevels = 6;

uint32_t Parity(uint64_t mask) { return __builtin_parityll(mask); }

// Takes `masks` to a basis and returns its pivots, ascending; -1 if they are dependent.
int Eliminate(std::vector<uint64_t> masks, uint32_t* pivots) {
  std::vector<uint32_t> found;
  for (size_t i = 0; i < masks.size(); ++i) {
    if (masks[i] == 0) return -1;
    const uint32_t pivot = 63 - __builtin_clzll(masks[i]);
    found.push_back(pivot);
    for (size_t j = 0; j < masks.size(); ++j) {
      if (j != i && (masks[j] >> pivot & 1)) masks[j] ^= masks[i];
    }
  }
  std::sort(found.begin(), found.end());
  std::copy(found.begin(), found.end(), pivots);
  return static_cast<int>(found.size());
}

bool Commute(const Gate& a, const Gate& b) {
  const uint32_t ab = Parity(a.x_hi & b.z_hi) ^ Parity(a.x_lane & b.z_lane);
  const uint32_t ba = Parity(a.z_hi & b.x_hi) ^ Parity(a.z_lane & b.x_lane);
  return ab == ba;
}

bool EvenOverlap(const Gate& x, const Gate& z) {
  return (Parity(x.x_hi & z.z_hi) ^ Parity(x.x_lane & z.z_lane)) == 0;
}

// Puts `gate` into `block` if the block's rules allow it.
bool Join(const Gate& gate, Block* block) {
  if (block->lanes != (gate.x_hi == 0)) return false;
  if (block->lanes) {
    if (block->count == kMaxBlockGates) return false;
  } else {
    if (block->count == 3) return false;
    std::vector<uint64_t> masks;
    for (uint32_t j = 0; j < block->count; ++j) {
      const Gate& other = block->gates[j];
      if (!EvenOverlap(gate, other) || !EvenOverlap(other, gate)) return false;
      masks.push_back(other.x_hi);
    }
    masks.push_back(gate.x_hi);
    uint32_t pivots[3];
    if (Eliminate(masks, pivots) < 0) return false;
    std::copy(pivots, pivots + masks.size(), block->pivots);
  }
  if (!gate.y_like) block->x_types |= 1u << block->count;
  block->gates[block->count++] = gate;
  return true;
}

void Finish(Block* block) {
  if (block->lanes) return;
  for (uint32_t b = 0; b < (1u << block->count); ++b) {
    block->offsets[b] = 0;
    block->lane_xor[b] = 0;
    for (uint32_t j = 0; j < block->count; ++j) {
      if (b >> j & 1) {
        block->offsets[b] ^= block->gates[j].x_hi;
        block->lane_xor[b] ^= block->gates[j].x_lane;
      }
    }
  }
}

}  // namespace

class PlanReader : public Reader {
 public:
  using Reader::Reader;

  bool Read(Plan* plan);

 private:
  void ReadStage(Plan* plan);
};

void PlanReader::ReadStage(Plan* plan) {
  const uint32_t n = plan->n_qubits_;
  const uint32_t n_rows = static_cast<uint32_t>(plan->rows_.size());
  StageOps stage;
  stage.kind = static_cast<StageKind>(Below(3, "a stage's kind"));
  const uint32_t count = Count(20, "operations");
  if (ok() && count == 0) Fail("a stage is empty");
  if (ok() && stage.kind == StageKind::kDense && count != 1) Fail("a dense stage has not one gate");
  for (uint32_t i = 0; ok() && i < count; ++i) {
    if (stage.kind == StageKind::kRotations) {
      PauliOp op;
      op.x = Mask(n, "a rotation's bit");
      op.z = Mask(n, "a rotation's bit");
      op.sign = Sign("a rotation's sign");
      op.row = Below(n_rows, "a rotation's row");
      if (ok() && op.x == 0) Fail("a rotation is diagonal");
      stage.rotations.push_back(op);
    } else if (stage.kind == StageKind::kPhases) {
      PhaseOp op;
      op.z = Mask(n, "a phase's bit");
      op.coefficient = Finite("a phase's coefficient");
      op.row = Get<uint32_t>();
      if (ok() && op.row != kNoRow && op.row >= n_rows) Fail("a phase's row is out of range");
      stage.phases.push_back(op);
    } else {
      DenseOp& op = stage.dense;
      op.k = Get<uint32_t>();
      if (ok() && (op.k < 1 || op.k > kMaxDenseQubits || op.k > n)) Fail("a dense gate's size");
      std::vector<uint64_t> flips;
      for (uint32_t q = 0; ok() && q < op.k; ++q) {
        op.flips[q] = Mask(n, "a dense gate's bit");
        op.reads[q] = Mask(n, "a dense gate's bit");
        op.offsets[q] = Below(2, "a dense gate's offset");
        flips.push_back(op.flips[q]);
      }
      uint32_t pivots[kMaxDenseQubits];
      if (ok() && Eliminate(flips, pivots) < 0) Fail("a dense gate's bits are dependent");
      for (uint32_t q = 0; ok() && q < op.k; ++q) {
        for (uint32_t p = 0; p < op.k; ++p) {
          if (Parity(op.flips[q] & op.reads[p]) != (p == q)) Fail("a dense gate's bits disagree");
        }
      }
      for (uint32_t e = 0; ok() && e < (2u << (2 * op.k)); ++e) {
        op.matrix.push_back(Finite("a dense gate's matrix"));
      }
    }
  }
  plan->stages_.push_back(std::move(stage));
}

bool PlanReader::Read(Plan* plan) {
  plan->n_qubits_ = Get<uint32_t>();
  if (ok() && (plan->n_qubits_ < 1 || plan->n_qubits_ > kMaxQubits)) {
    return Fail("it has " + std::to_string(plan->n_qubits_) + " qubits, not 1 to " +
                std::to_string(kMaxQubits));
  }
  const uint32_t n = plan->n_qubits_;
  // Parameters are counted, not stored, so their bound is one of plausibility.
  plan->n_inputs_ = Below(1u << 28, "the number of inputs");
  plan->n_weights_ = Below(1u << 28, "the number of weights");

  const uint32_t n_rows = Count(16, "rows");
  std::vector<size_t> first_summand;
  for (uint32_t r = 0; ok() && r < n_rows; ++r) {
    Row row;
    row.offset = Finite("an angle's offset");
    row.n_inputs = Count(12, "summands");
    row.n_weights = Count(12, "summands");
    row.summands = nullptr;
    first_summand.push_back(plan->summands_.size());
    for (uint64_t i = 0; ok() && i < uint64_t{row.n_inputs} + row.n_weights; ++i) {
      Summand summand;
      summand.index = Below(i < row.n_inputs ? plan->n_inputs_ : plan->n_weights_, "a parameter");
      summand.coefficient = Finite("an angle's coefficient");
      plan->summands_.push_back(summand);
    }
    plan->rows_.push_back(row);
  }
  if (!ok()) return false;
  for (uint32_t r = 0; r < n_rows; ++r) {
    plan->rows_[r].summands = plan->summands_.data() + first_summand[r];
  }

  const uint32_t n_chain = Count(16, "gates");
  std::vector<std::pair<uint32_t, ChainGate>> chain;
  for (uint32_t i = 0; ok() && i < n_chain; ++i) {
    const uint32_t bit = Below(n, "a gate's bit");
    ChainGate gate;
    gate.pauli = Below(3, "a gate's axis");
    gate.sign = Sign("a gate's sign");
    gate.row = Below(n_rows, "a gate's row");
    chain.emplace_back(bit, gate);
  }
  if (!ok()) return false;
  std::stable_sort(chain.begin(), chain.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  plan->chain_begin_.assign(n + 1, 0);
  for (const auto& [bit, gate] : chain) {
    ++plan->chain_begin_[bit + 1];
    plan->chain_.push_back(gate);
  }
  for (uint32_t b = 0; b < n; ++b) plan->chain_begin_[b + 1] += plan->chain_begin_[b];

  const uint32_t n_stages = Count(28, "stages");
  for (uint32_t s = 0; ok() && s < n_stages; ++s) ReadStage(plan);

  const uint32_t n_measured = Count(20, "measured strings");
  for (uint32_t m = 0; ok() && m < n_measured; ++m) {
    PauliOp op;
    op.x = Mask(n, "a measured bit");
    op.z = Mask(n, "a measured bit");
    op.sign = Sign("a measured string's sign");
    op.row = m;
    plan->measured_.push_back(op);
    plan->measured_x_.push_back(op.x != 0);
  }
  plan->n_observables_ = Below(1u << 28, "the number of observables");
  const uint32_t n_entries = Count(24, "summands");
  for (uint32_t e = 0; ok() && e < n_entries; ++e) {
    Entry entry;
    entry.observable = Below(plan->n_observables_, "an observable");
    entry.measured = Below(n_measured, "a measured string");
    entry.coefficient = Finite("an observable's coefficient");
    entry.function = Below(3, "a function");
    entry.row = Get<uint32_t>();
    if (ok() && entry.function != 0 && entry.row >= n_rows) Fail("an observable's row");
    plan->entries_.push_back(entry);
  }
  for (uint32_t q = 0; ok() && q < n; ++q) {
    plan->reads_.push_back(Mask(n, "a qubit's bit"));
    plan->read_offsets_.push_back(Below(2, "a qubit's offset"));
  }
  uint32_t pivots[kMaxQubits];
  if (ok() && Eliminate(plan->reads_, pivots) < 0) Fail("its qubits' bits are dependent");
  if (ok() && !at_end()) Fail("it has bytes left over");
  return ok();
}

std::unique_ptr<const Plan> Plan::Read(std::string_view bytes, std::string* error) {
  std::unique_ptr<Plan> plan(new Plan());
  std::string_view content;
  if (!Unpack(bytes, kMagic, &content, error)) return nullptr;
  PlanReader reader(content);
  if (!reader.Read(plan.get())) {
    *error = reader.error();
    return nullptr;
  }
  return plan;
}

Gate Plan::MakeGate(const PauliOp& op, uint32_t lane_bits, uint32_t* slots) const {
  Gate gate;
  const uint64_t lanes = (uint64_t{1} << lane_bits) - 1;
  gate.x_hi = op.x >> lane_bits;
  gate.z_hi = op.z >> lane_bits;
  gate.x_lane = static_cast<uint32_t>(op.x & lanes);
  gate.z_lane = static_cast<uint32_t>(op.z & lanes);
  gate.sign = op.sign;
  gate.y_like = Parity(op.x & op.z);
  gate.row = op.row;
  gate.slot = (*slots)++;
  return gate;
}

void Plan::AddBlocks(const std::vector<PauliOp>& ops, uint32_t lane_bits, uint32_t* slots,
                     std::vector<Block>* blocks) const {
  const size_t first = blocks->size();
  for (const PauliOp& op : ops) {
    const Gate gate = MakeGate(op, lane_bits, slots);
    // The earliest block that takes it and behind which everything commutes with it.
    size_t target = blocks->size();
    for (size_t b = blocks->size(); b-- > first;) {
      Block trial = (*blocks)[b];
      if (Join(gate, &trial)) target = b;
      bool commutes = true;
      for (uint32_t j = 0; j < (*blocks)[b].count; ++j) {
        commutes = commutes && Commute(gate, (*blocks)[b].gates[j]);
      }
      if (!commutes) break;
    }
    if (target == blocks->size()) {
      Block block{};
      block.lanes = gate.x_hi == 0;
      blocks->push_back(block);
    }
    Join(gate, &(*blocks)[target]);
  }
  for (size_t b = first; b < blocks->size(); ++b) Finish(&(*blocks)[b]);
}

Tree Plan::MakeTree(const std::vector<PhaseOp>& terms, uint32_t lane_bits, bool rows_are_angles,
                    OwnedLayout* owner) const {
  const uint32_t n_hi = n_qubits_ > lane_bits ? n_qubits_ - lane_bits : 0;
  const uint32_t levels = std::min(n_hi, kTreeLevels);
  const uint64_t inner = (uint64_t{1} << (levels + lane_bits)) - 1;
  const uint64_t lanes = (uint64_t{1} << lane_bits) - 1;

  auto nodes = std::make_unique<std::vector<TreeNode>>();
  auto leaves = std::make_unique<std::vector<uint32_t>>();
  auto items = std::make_unique<std::vector<TreeTerm>>();

  // Terms with the same mask inside a chunk share a leaf; leaves in order of their masks, so that
  // each node's are consecutive.
  std::map<uint64_t, uint32_t> leaf_of;
  for (const PhaseOp& term : terms) leaf_of[term.z & inner] = 0;
  std::vector<uint64_t> masks;
  for (auto& [mask, leaf] : leaf_of) {
    leaf = static_cast<uint32_t>(masks.size());
    masks.push_back(mask);
    leaves->push_back(static_cast<uint32_t>(mask & lanes));
  }
  bool per_sample = false;
  for (const PhaseOp& term : terms) {
    const uint64_t outer = levels + lane_bits >= 64 ? 0 : term.z >> (levels + lane_bits);
    items->push_back({outer, leaf_of[term.z & inner], term.row, term.coefficient});
    per_sample = per_sample || (rows_are_angles && FromInputs(term.row));
  }

  // Nodes in depth-first order; a node's leaves share the bits above its level.
  struct Pending {
    uint32_t begin, end, level;
    int32_t parent;
    bool is_one;
  };
  std::vector<Pending> stack;
  if (!masks.empty()) {
    stack.push_back({0, static_cast<uint32_t>(masks.size()), levels, -1, false});
  }
  while (!stack.empty()) {
    const Pending p = stack.back();
    stack.pop_back();
    const int32_t self = static_cast<int32_t>(nodes->size());
    nodes->push_back({-1, -1, p.begin, p.end});
    if (p.parent >= 0) {
      TreeNode& parent = (*nodes)[p.parent];
      (p.is_one ? parent.one : parent.zero) = self;
    }
    const uint64_t below = (uint64_t{1} << (p.level + lane_bits)) - 1;
    bool flat = true;
    for (uint32_t i = p.begin; i < p.end; ++i) flat = flat && ((masks[i] & below) >> lane_bits) == 0;
    if (flat) continue;
    const uint64_t bit = uint64_t{1} << (p.level - 1 + lane_bits);
    uint32_t middle = p.begin;
    while (middle < p.end && !(masks[middle] & bit)) ++middle;
    if (middle < p.end) stack.push_back({middle, p.end, p.level - 1, self, true});
    if (p.begin < middle) stack.push_back({p.begin, middle, p.level - 1, self, false});
  }

  Tree tree;
  tree.levels = levels;
  tree.n_nodes = static_cast<uint32_t>(nodes->size());
  tree.n_leaves = static_cast<uint32_t>(leaves->size());
  tree.n_terms = static_cast<uint32_t>(items->size());
  tree.nodes = nodes->data();
  tree.leaf_lane_masks = leaves->data();
  tree.terms = items->data();
  tree.per_sample = per_sample;
  owner->nodes_.push_back(std::move(nodes));
  owner->leaves_.push_back(std::move(leaves));
  owner->terms_.push_back(std::move(items));
  return tree;
}

Dense Plan::MakeDense(const DenseOp& op, uint32_t lane_bits) const {
  Dense dense{};
  dense.k = op.k;
  dense.matrix = op.matrix.data();
  const uint64_t lanes = (uint64_t{1} << lane_bits) - 1;
  // A basis of the flips' parts above the lanes, and each flip in its coordinates.
  std::vector<uint64_t> basis;
  uint32_t coordinates[kMaxDenseQubits];
  for (uint32_t q = 0; q < op.k; ++q) {
    const uint64_t hi = op.flips[q] >> lane_bits;
    bool found = false;
    for (uint32_t c = 0; c < (1u << basis.size()) && !found; ++c) {
      uint64_t sum = 0;
      for (size_t i = 0; i < basis.size(); ++i) sum ^= (c >> i & 1) ? basis[i] : 0;
      if (sum == hi) {
        coordinates[q] = c;
        found = true;
      }
    }
    if (!found) {
      coordinates[q] = 1u << basis.size();
      basis.push_back(hi);
    }
    dense.r_hi[q] = op.reads[q] >> lane_bits;
    dense.r_lane[q] = static_cast<uint32_t>(op.reads[q] & lanes);
    dense.offset[q] = op.offsets[q];
  }
  dense.rank = static_cast<uint32_t>(basis.size());
  if (dense.rank > 0) Eliminate(basis, dense.pivots);
  for (uint32_t b = 0; b < (1u << dense.rank); ++b) {
    for (uint32_t i = 0; i < dense.rank; ++i) dense.span[b] ^= (b >> i & 1) ? basis[i] : 0;
  }
  for (uint32_t d = 0; d < (1u << op.k); ++d) {
    for (uint32_t q = 0; q < op.k; ++q) {
      // The first qubit is the most significant bit of the matrix's index.
      if (d >> (op.k - 1 - q) & 1) {
        dense.source[d] ^= coordinates[q];
        dense.lane_xor[d] ^= static_cast<uint32_t>(op.flips[q] & lanes);
      }
    }
  }
  return dense;
}

const Layout& Plan::ForLanes(uint32_t lane_bits, uint32_t shared_lane_bits) const {
  auto& place = layouts_[lane_bits * kMaxLaneBits + shared_lane_bits];
  const OwnedLayout* layout = place.load(std::memory_order_acquire);
  if (layout == nullptr) {
    std::unique_ptr<const OwnedLayout> made = MakeLayout(lane_bits, shared_lane_bits);
    // If another thread was faster, its layout is kept.
    if (place.compare_exchange_strong(layout, made.get(), std::memory_order_acq_rel)) {
      layout = made.release();
    }
  }
  return layout->view;
}

Plan::~Plan() {
  for (const auto& place : layouts_) delete place.load();
}

std::unique_ptr<const OwnedLayout> Plan::MakeLayout(uint32_t lane_bits,
                                                    uint32_t shared_lane_bits) const {
  auto made = std::make_unique<OwnedLayout>();
  OwnedLayout* owner = made.get();
  Layout& view = owner->view;
  view = Layout{};
  uint32_t slots = 0, dense_slots = 0;
  bool by_weights = false, by_inputs = false;
  for (const ChainGate& gate : chain_) {
    by_weights = by_weights || FromWeights(gate.row);
    by_inputs = by_inputs || FromInputs(gate.row);
  }
  view.chain_needed_by_weights = by_weights;
  view.chain_needed_by_inputs = by_inputs;
  for (const StageOps& ops : stages_) {
    Stage stage{};
    stage.kind = ops.kind;
    if (ops.kind == StageKind::kRotations) {
      stage.block_begin = static_cast<uint32_t>(owner->blocks_.size());
      AddBlocks(ops.rotations, lane_bits, &slots, &owner->blocks_);
      stage.block_end = static_cast<uint32_t>(owner->blocks_.size());
      for (const PauliOp& op : ops.rotations) {
        by_weights = by_weights || FromWeights(op.row);
        by_inputs = by_inputs || FromInputs(op.row);
      }
    } else if (ops.kind == StageKind::kPhases) {
      stage.tree = MakeTree(ops.phases, lane_bits, true, owner);
      stage.shared_tree = MakeTree(ops.phases, shared_lane_bits, true, owner);
      std::vector<PhaseOp> with_angle;
      for (const PhaseOp& op : ops.phases) {
        if (FromWeights(op.row) || FromInputs(op.row)) with_angle.push_back(op);
      }
      stage.gradient_tree = MakeTree(with_angle, lane_bits, true, owner);
      for (const PhaseOp& op : ops.phases) {
        by_weights = by_weights || FromWeights(op.row);
        by_inputs = by_inputs || FromInputs(op.row);
      }
    } else {
      stage.dense = MakeDense(ops.dense, lane_bits);
      stage.dense.slot = dense_slots++;
    }
    stage.needed_by_weights = by_weights;
    stage.needed_by_inputs = by_inputs;
    owner->stages_.push_back(stage);
  }
  view.n_blocks = static_cast<uint32_t>(owner->blocks_.size());
  std::vector<PauliOp> flipping;
  std::vector<PhaseOp> diagonal;
  for (const PauliOp& op : measured_) {
    if (op.x != 0) {
      flipping.push_back(op);
    } else {
      diagonal.push_back({op.z, op.sign, op.row});
    }
  }
  // Measured strings need not commute with each other, and their order is free: the blocks'
  // search stops at the first that does not commute, which costs passes but is never wrong.
  AddBlocks(flipping, lane_bits, &slots, &owner->blocks_);
  view.n_measured_blocks = static_cast<uint32_t>(owner->blocks_.size()) - view.n_blocks;
  view.measured_tree = MakeTree(diagonal, lane_bits, false, owner);

  view.n_qubits = n_qubits_;
  view.lane_bits = lane_bits;
  view.n_inputs = n_inputs_;
  view.n_weights = n_weights_;
  view.n_rows = static_cast<uint32_t>(rows_.size());
  view.n_observables = n_observables_;
  view.n_measured = n_measured();
  view.n_entries = static_cast<uint32_t>(entries_.size());
  view.n_stages = static_cast<uint32_t>(stages_.size());
  view.n_slots = slots;
  view.n_dense = dense_slots;
  view.rows = rows_.data();
  view.chain_begin = chain_begin_.data();
  view.chain = chain_.data();
  view.stages = owner->stages_.data();
  view.blocks = owner->blocks_.data();
  view.measured_x = measured_x_.data();
  view.entries = entries_.data();
  view.reads = reads_.data();
  view.read_offsets = read_offsets_.data();
  return made;
}

}  // namespace qkeras_hybrid
