// Work memory that is kept for the next call: asking the system for large pieces each time costs a
// page fault for every 4 KiB.
#ifndef QKERAS_HYBRID_NATIVE_MEMORY_H_
#define QKERAS_HYBRID_NATIVE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace qkeras_hybrid {

class MemoryPool {
 public:
  // At least `bytes`, aligned to a cache line; null if there is none.
  void* Take(uint64_t bytes);
  void Give(void* memory);

 private:
  struct Piece {
    void* memory;
    uint64_t bytes;
    bool used;
  };

  std::mutex mutex_;
  std::vector<Piece> pieces_;
  uint64_t idle_bytes_ = 0;
};

// The memory that the system still has, in bytes.
uint64_t AvailableMemory();

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_MEMORY_H_
