#include "memory.h"

#include <cstdio>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace qkeras_hybrid {
namespace {

// Idle memory above this goes back to the system.
constexpr uint64_t kMaxIdleBytes = uint64_t{256} << 20;
constexpr uint64_t kHugePage = uint64_t{2} << 20;

}  // namespace

void* MemoryPool::Take(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  Piece* best = nullptr;
  for (Piece& piece : pieces_) {
    // A piece that is more than twice as large as needed is left for larger requests.
    if (!piece.used && piece.bytes >= bytes && piece.bytes / 2 <= bytes + 65536 &&
        (best == nullptr || piece.bytes < best->bytes)) {
      best = &piece;
    }
  }
  if (best != nullptr) {
    best->used = true;
    idle_bytes_ -= best->bytes;
    return best->memory;
  }
  const uint64_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const uint64_t size = (bytes + alignment - 1) / alignment * alignment;
  if (size < bytes) return nullptr;
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) return nullptr;
#if defined(__linux__)
  if (alignment == kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
  pieces_.push_back({memory, size, true});
  return memory;
}

void MemoryPool::Give(void* memory) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    Piece& piece = pieces_[i];
    if (piece.memory != memory) continue;
    piece.used = false;
    idle_bytes_ += piece.bytes;
    // The oldest idle pieces go first.
    for (size_t j = 0; j < pieces_.size() && idle_bytes_ > kMaxIdleBytes;) {
      if (pieces_[j].used) {
        ++j;
        continue;
      }
      idle_bytes_ -= pieces_[j].bytes;
      std::free(pieces_[j].memory);
      pieces_.erase(pieces_.begin() + static_cast<std::ptrdiff_t>(j));
    }
    return;
  }
}

uint64_t AvailableMemory() {
  uint64_t kib = 0;
  if (std::FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[256];
    while (std::fgets(line, sizeof(line), file) != nullptr) {
      unsigned long long value;
      if (std::sscanf(line, "MemAvailable: %llu", &value) == 1) kib = value;
    }
    std::fclose(file);
  }
  return kib == 0 ? UINT64_MAX : kib * 1024;
}

}  // namespace qkeras_hybrid
