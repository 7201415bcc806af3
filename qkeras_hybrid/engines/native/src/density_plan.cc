#include "density_plan.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "reader.h"

namespace qkeras_hybrid {
namespace {

// 4^14 numbers of 4 bytes for each of 8 samples are 8 GiB.
constexpr uint32_t kMaxQubits = 14;
constexpr uint32_t kMaxTileDigits = 8;
constexpr uint32_t kMaxSparseDigits = 3;

uint32_t Power4(uint32_t exponent) { return 1u << (2 * exponent); }

// The indices of the strings that are I except on `digits` of `total`, in ascending order of these
// digits, the first of which is the most significant.
std::vector<uint32_t> Offsets(const std::vector<uint32_t>& digits, uint32_t total) {
  std::vector<uint32_t> offsets{0};
  for (uint32_t digit : digits) {
    std::vector<uint32_t> longer;
    for (uint32_t offset : offsets) {
      for (uint32_t value = 0; value < 4; ++value) {
        longer.push_back(offset + value * Power4(total - 1 - digit));
      }
    }
    offsets = std::move(longer);
  }
  return offsets;
}

std::vector<uint32_t> Others(const std::vector<uint32_t>& digits, uint32_t total) {
  std::vector<uint32_t> others;
  for (uint32_t digit = 0; digit < total; ++digit) {
    if (std::find(digits.begin(), digits.end(), digit) == digits.end()) others.push_back(digit);
  }
  return others;
}

}  // namespace

class DensityReader : public Reader {
 public:
  DensityReader(std::string_view bytes, DensityPlan* plan) : Reader(bytes), plan_(*plan) {}

  bool Read();

 private:
  const uint32_t* Keep(std::vector<uint32_t> numbers) {
    plan_.numbers_.push_back(std::move(numbers));
    return plan_.numbers_.back().data();
  }

  DensityNumbers Keep(std::vector<double> numbers) {
    plan_.singles_.emplace_back(numbers.begin(), numbers.end());
    plan_.values_.push_back(std::move(numbers));
    return {plan_.singles_.back().data(), plan_.values_.back().data()};
  }

  // Digits, all different, below `total`.
  std::vector<uint32_t> Digits(uint32_t most, uint32_t total) {
    const uint32_t count = Get<uint32_t>();
    if (ok() && (count < 1 || count > most)) Fail("a number of qubits is out of range");
    std::vector<uint32_t> digits;
    for (uint32_t i = 0; ok() && i < count; ++i) {
      const uint32_t digit = Below(total, "a qubit");
      if (std::find(digits.begin(), digits.end(), digit) != digits.end()) Fail("a qubit is twice");
      digits.push_back(digit);
    }
    return digits;
  }

  void ReadTile();
  void ReadOp(uint32_t total);
  void ReadLocal(uint32_t total, DensityOp* op);
  void ReadRotation(uint32_t total, DensityOp* op);
  void ReadSparse(uint32_t total, DensityOp* op);
  void ReadPair(uint32_t total, DensityOp* op);
  DensityLocal ReadFactors();
  DensitySparse Sparse(std::vector<std::tuple<uint32_t, uint32_t, double>> entries,
                       const std::vector<uint32_t>& offsets);

  DensityPlan& plan_;
};

bool DensityReader::Read() {
  DensityLayout& layout = plan_.layout_;
  layout.n_qubits = Get<uint32_t>();
  if (ok() && (layout.n_qubits < 1 || layout.n_qubits > kMaxQubits)) {
    return Fail("it has " + std::to_string(layout.n_qubits) + " qubits, not 1 to " +
                std::to_string(kMaxQubits));
  }
  // Angles are only counted, not stored, so this bound only has to be plausible.
  layout.n_angles = Below(1u << 28, "the number of angles");
  layout.n_measured = Count(4, "measured strings");
  std::vector<uint32_t> measured;
  for (uint32_t m = 0; ok() && m < layout.n_measured; ++m) {
    measured.push_back(Below(Power4(layout.n_qubits), "a measured string"));
  }
  layout.measured = Keep(std::move(measured));
  const uint32_t n_tiles = Count(12, "tiles");
  for (uint32_t t = 0; ok() && t < n_tiles; ++t) ReadTile();
  if (ok() && !at_end()) Fail("it has bytes left over");
  layout.n_tiles = static_cast<uint32_t>(plan_.tiles_.size());
  layout.n_ops = static_cast<uint32_t>(plan_.ops_.size());
  layout.tiles = plan_.tiles_.data();
  layout.ops = plan_.ops_.data();
  return ok();
}

void DensityReader::ReadTile() {
  DensityLayout& layout = plan_.layout_;
  const uint32_t n = layout.n_qubits;
  const std::vector<uint32_t> digits = Digits(std::min(n, kMaxTileDigits), n);
  const uint32_t n_ops = Count(16, "operations");
  if (!ok()) return;
  const auto total = static_cast<uint32_t>(digits.size());
  DensityTile tile{};
  tile.n_vectors = Power4(total);
  tile.offsets = Keep(Offsets(digits, n));
  tile.n_bases = Power4(n - total);
  tile.bases = Keep(Offsets(Others(digits, n), n));
  tile.op_begin = static_cast<uint32_t>(plan_.ops_.size());
  for (uint32_t i = 0; ok() && i < n_ops; ++i) ReadOp(total);
  tile.op_end = static_cast<uint32_t>(plan_.ops_.size());
  layout.most_vectors = std::max(layout.most_vectors, tile.n_vectors);
  layout.most_ops = std::max(layout.most_ops, n_ops);
  plan_.tiles_.push_back(tile);
}

void DensityReader::ReadOp(uint32_t total) {
  DensityOp op{};
  op.kind = static_cast<DensityKind>(Below(4, "an operation's kind"));
  if (!ok()) return;
  switch (op.kind) {
    case DensityKind::kLocal:
      ReadLocal(total, &op);
      break;
    case DensityKind::kRotation:
      ReadRotation(total, &op);
      break;
    case DensityKind::kSparse:
      ReadSparse(total, &op);
      break;
    case DensityKind::kPair:
      ReadPair(total, &op);
      break;
  }
  plan_.ops_.push_back(op);
}

DensityLocal DensityReader::ReadFactors() {
  DensityLocal local{};
  local.n_factors = Count(16, "factors");
  local.unital = true;
  std::vector<DensityFactor> factors;
  for (uint32_t i = 0; ok() && i < local.n_factors; ++i) {
    DensityFactor factor{};
    factor.axis = Below(4, "an axis");
    if (factor.axis != 0) {
      factor.angle = Below(plan_.layout_.n_angles, "an angle");
      factor.scale = Finite("a factor");
      local.varies = true;
    } else {
      for (int e = 0; ok() && e < 12; ++e) {
        factor.matrix[e] = Finite("a matrix");
        if (e % 4 == 0 && factor.matrix[e] != 0) local.unital = false;
      }
    }
    factors.push_back(factor);
  }
  plan_.factors_.push_back(std::move(factors));
  local.factors = plan_.factors_.back().data();
  local.slot = plan_.layout_.n_slots;
  plan_.layout_.most_factors = std::max(plan_.layout_.most_factors, local.n_factors);
  plan_.layout_.n_slots += 12;
  return local;
}

void DensityReader::ReadLocal(uint32_t total, DensityOp* op) {
  const uint32_t digit = Below(total, "a qubit");
  op->local = ReadFactors();
  if (!ok()) return;
  op->stride = Power4(total - 1 - digit);
  op->n_bases = Power4(total - 1);
  op->bases = Keep(Offsets(Others({digit}, total), total));
}

void DensityReader::ReadPair(uint32_t total, DensityOp* op) {
  const std::vector<uint32_t> digits = Digits(2, total);
  if (ok() && digits.size() != 2) Fail("a pair has not two qubits");
  op->first = ReadFactors();
  op->second = ReadFactors();
  if (!ok()) return;
  const std::vector<uint32_t> offsets = Offsets(digits, total);
  std::vector<uint32_t> targets;
  std::vector<double> factors;
  uint32_t seen = 0;
  for (uint32_t i = 0; ok() && i < 16; ++i) {
    const uint32_t target = Below(16, "a target");
    if (ok() && (seen >> target & 1)) Fail("a target is twice");
    seen |= ok() ? 1u << target : 0;
    targets.push_back(ok() ? offsets[target] : 0);
    factors.push_back(Finite("a factor"));
  }
  op->sources = Keep(offsets);
  op->targets = Keep(std::move(targets));
  op->factors = Keep(std::move(factors));
  const std::vector<uint32_t> others = Others(digits, total);
  op->n_bases = Power4(static_cast<uint32_t>(others.size()));
  op->bases = Keep(Offsets(others, total));
}

void DensityReader::ReadRotation(uint32_t total, DensityOp* op) {
  const std::vector<uint32_t> digits = Digits(total, total);
  std::vector<uint32_t> letters;
  for (size_t i = 0; ok() && i < digits.size(); ++i) {
    letters.push_back(Below(4, "a Pauli letter"));
    if (ok() && letters.back() == 0) Fail("a Pauli letter is I");
  }
  op->angle = Below(plan_.layout_.n_angles, "an angle");
  op->scale = Finite("a factor");
  if (!ok()) return;
  const std::vector<uint32_t> offsets = Offsets(digits, total);
  std::vector<uint32_t> a, b, still;
  std::vector<double> signs;
  const auto k = static_cast<uint32_t>(digits.size());
  for (uint32_t q = 0; q < offsets.size(); ++q) {
    // The product Q P = i^power R, digit by digit: XY = iZ, YX = -iZ, and so on around.
    uint32_t power = 0, product = 0;
    for (uint32_t i = 0; i < k; ++i) {
      const uint32_t left = q >> (2 * (k - 1 - i)) & 3, right = letters[i];
      if (left != 0 && left != right) power += (right + 3 - left) % 3 == 1 ? 1 : 3;
      // With X, Y, Z as 1, 2, 3 the exclusive or is the letter of the product.
      product = product << 2 | (left ^ right);
    }
    if (power % 2 == 0) {
      still.push_back(offsets[q]);
    } else if (q < product) {
      // i Q P = sign R.
      a.push_back(offsets[q]);
      b.push_back(offsets[product]);
      signs.push_back((power + 1) % 4 == 0 ? 1 : -1);
    }
  }
  op->n_pairs = static_cast<uint32_t>(a.size());
  op->n_still = static_cast<uint32_t>(still.size());
  op->pair_a = Keep(std::move(a));
  op->pair_b = Keep(std::move(b));
  op->still = Keep(std::move(still));
  op->pair_sign = Keep(std::move(signs));
  const std::vector<uint32_t> others = Others(digits, total);
  op->n_bases = Power4(static_cast<uint32_t>(others.size()));
  op->bases = Keep(Offsets(others, total));
  op->slot = plan_.layout_.n_slots;
  plan_.layout_.n_slots += 2;
}

void DensityReader::ReadSparse(uint32_t total, DensityOp* op) {
  const std::vector<uint32_t> digits = Digits(std::min(total, kMaxSparseDigits), total);
  if (!ok()) return;
  const uint32_t size = Power4(static_cast<uint32_t>(digits.size()));
  const uint32_t count = Count(16, "entries");
  std::vector<std::tuple<uint32_t, uint32_t, double>> entries, transposed;
  for (uint32_t i = 0; ok() && i < count; ++i) {
    const uint32_t row = Below(size, "a row"), column = Below(size, "a column");
    const double value = Finite("an entry");
    entries.emplace_back(row, column, value);
    transposed.emplace_back(column, row, value);
  }
  if (!ok()) return;
  const std::vector<uint32_t> offsets = Offsets(digits, total);
  op->forward = Sparse(std::move(entries), offsets);
  op->backward = Sparse(std::move(transposed), offsets);
  const std::vector<uint32_t> others = Others(digits, total);
  op->n_bases = Power4(static_cast<uint32_t>(others.size()));
  op->bases = Keep(Offsets(others, total));
}

DensitySparse DensityReader::Sparse(std::vector<std::tuple<uint32_t, uint32_t, double>> entries,
                                    const std::vector<uint32_t>& offsets) {
  std::sort(entries.begin(), entries.end());
  const auto n_rows = static_cast<uint32_t>(offsets.size());
  std::vector<uint32_t> begin(n_rows + 1, 0), columns;
  std::vector<double> values;
  for (const auto& [row, column, value] : entries) {
    ++begin[row + 1];
    columns.push_back(offsets[column]);
    values.push_back(value);
  }
  for (uint32_t row = 0; row < n_rows; ++row) begin[row + 1] += begin[row];
  return {n_rows, Keep(std::move(begin)), Keep(offsets), Keep(std::move(columns)),
          Keep(std::move(values))};
}

std::unique_ptr<const DensityPlan> DensityPlan::Read(std::string_view bytes, std::string* error) {
  std::unique_ptr<DensityPlan> plan(new DensityPlan());
  std::string_view content;
  if (!Unpack(bytes, kDensityMagic, &content, error)) return nullptr;
  DensityReader reader(content, plan.get());
  if (!reader.Read()) {
    *error = reader.error();
    return nullptr;
  }
  return plan;
}

}  // namespace qkeras_hybrid
