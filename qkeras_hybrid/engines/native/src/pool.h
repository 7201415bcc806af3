// The threads that kernels run on: the calling thread, and helpers that sleep between calls.
#ifndef QKERAS_HYBRID_NATIVE_POOL_H_
#define QKERAS_HYBRID_NATIVE_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

namespace qkeras_hybrid {

class SharedCalls;

class ThreadPool {
 public:
  // How many threads a call may use, including the calling thread: the number that was set, or as
  // many as this process may run at once.
  static int Threads();
  // 0 takes the setting back.
  static void SetThreads(int threads);

  // Calls body(argument, i) for i in [0, count), on up to Threads() threads; returns when all calls
  // are done. If no thread can be started, the calling thread makes all calls.
  void Run(int64_t count, void (*body)(void*, int64_t), void* argument);

 private:
  void StartHelpers(int64_t wanted);
  void Help();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<SharedCalls>> waiting_;
  int64_t helpers_ = 0;
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_POOL_H_
