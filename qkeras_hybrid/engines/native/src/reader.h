// Reads serialized programs.
#ifndef QKERAS_HYBRID_NATIVE_READER_H_
#define QKERAS_HYBRID_NATIVE_READER_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace qkeras_hybrid {

// Reads little-endian numbers and remembers the first error.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  const std::string& error() const { return error_; }
  bool ok() const { return error_.empty(); }
  bool at_end() const { return rest_.empty(); }

  bool Fail(const std::string& reason) {
    if (ok()) error_ = reason;
    return false;
  }

  template <class N>
  N Get() {
    N value{};
    if (rest_.size() < sizeof(N)) {
      Fail("it is cut short");
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof(N));
    rest_.remove_prefix(sizeof(N));
    return value;
  }

  uint32_t Below(uint32_t bound, const char* what) {
    const uint32_t value = Get<uint32_t>();
    if (ok() && value >= bound) Fail(std::string(what) + " is out of range");
    return value;
  }

  // A count of items that take at least `bytes` each: the rest of the data must hold them.
  uint32_t Count(size_t bytes, const char* what) {
    const uint32_t value = Get<uint32_t>();
    if (ok() && value > rest_.size() / bytes) {
      Fail(std::string("more ") + what + " than its length holds");
      return 0;
    }
    return ok() ? value : 0;
  }

  double Finite(const char* what) {
    const double value = Get<double>();
    if (ok() && !std::isfinite(value)) Fail(std::string(what) + " is not finite");
    return value;
  }

  uint64_t Mask(uint32_t n_qubits, const char* what) {
    const uint64_t value = Get<uint64_t>();
    if (ok() && (value >> n_qubits) != 0) Fail(std::string(what) + " is out of range");
    return value;
  }

  double Sign(const char* what) {
    const int32_t value = Get<int32_t>();
    if (ok() && value != 1 && value != -1) Fail(std::string(what) + " is not 1 or -1");
    return value;
  }

 private:
  std::string_view rest_;
  std::string error_;
};

// Finds the content of a program that starts with `magic`, its length and its checksum. Returns
// false, with the reason in `error`, if these are wrong.
bool Unpack(std::string_view bytes, std::string_view magic, std::string_view* content,
            std::string* error);

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_READER_H_
