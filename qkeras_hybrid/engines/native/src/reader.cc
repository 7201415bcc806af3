#include "reader.h"

namespace qkeras_hybrid {
namespace {

uint32_t Crc32(std::string_view bytes) {
  static const auto* const table = [] {
    auto* t = new uint32_t[256];
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xffffffffu;
  for (unsigned char byte : bytes) crc = table[(crc ^ byte) & 0xff] ^ (crc >> 8);
  return crc ^ 0xffffffffu;
}

}  // namespace

bool Unpack(std::string_view bytes, std::string_view magic, std::string_view* content,
            std::string* error) {
  if (bytes.substr(0, 4) != magic) {
    *error = "it does not start as one (made by another version?)";
    return false;
  }
  Reader header(bytes.substr(4, 8));
  const uint32_t length = header.Get<uint32_t>();
  const uint32_t crc = header.Get<uint32_t>();
  if (!header.ok() || bytes.size() - 12 != length) {
    *error = "its length is not the one it states";
    return false;
  }
  *content = bytes.substr(12);
  if (Crc32(*content) != crc) {
    *error = "its checksum is wrong";
    return false;
  }
  return true;
}

}  // namespace qkeras_hybrid
