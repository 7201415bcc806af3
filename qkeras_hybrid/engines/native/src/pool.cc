#include "pool.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace qkeras_hybrid {
namespace {

std::atomic<int> threads_set{0};

// The processors that this process may run on, which a container or `taskset` may have limited.
int Processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

// Calls that threads claim one by one. The thread that requested them claims calls too, and waits
// only for those that others have begun. So a thread that wakes up late, or is busy elsewhere, costs
// no time. It may even come after the last call, so it shares the ownership of this object.
class SharedCalls {
 public:
  SharedCalls(int64_t count, void (*body)(void*, int64_t), void* argument)
      : count_(count), body_(body), argument_(argument) {}

  void Work() {
    int64_t done = 0;
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_; ++done) {
      body_(argument_, i);
    }
    if (done == 0) return;
    // Under the lock, since otherwise the last thread could notify before the other one waits.
    std::lock_guard<std::mutex> lock(mutex_);
    done_ += done;
    if (done_ == count_) all_done_.notify_one();
  }

  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_ == count_; });
  }

 private:
  const int64_t count_;
  void (*const body_)(void*, int64_t);
  void* const argument_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
  int64_t done_ = 0;
};

int ThreadPool::Threads() {
  static const int processors = Processors();
  const int set = threads_set.load(std::memory_order_relaxed);
  return set > 0 ? set : processors;
}

void ThreadPool::SetThreads(int threads) {
  threads_set.store(std::max(0, threads), std::memory_order_relaxed);
}

void ThreadPool::Run(int64_t count, void (*body)(void*, int64_t), void* argument) {
  const int64_t wanted = std::min<int64_t>(count, Threads()) - 1;
  if (wanted <= 0) {
    for (int64_t i = 0; i < count; ++i) body(argument, i);
    return;
  }
  const auto calls = std::make_shared<SharedCalls>(count, body, argument);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    StartHelpers(wanted);
    for (int64_t i = 0; i < std::min(wanted, helpers_); ++i) waiting_.push_back(calls);
  }
  if (wanted == 1) {
    wake_.notify_one();
  } else {
    wake_.notify_all();
  }
  calls->Work();
  calls->Wait();
}

void ThreadPool::StartHelpers(int64_t wanted) {
  while (helpers_ < wanted) {
    try {
      std::thread([this] { Help(); }).detach();
    } catch (const std::system_error&) {
      return;
    }
    ++helpers_;
  }
}

void ThreadPool::Help() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return !waiting_.empty(); });
    const std::shared_ptr<SharedCalls> calls = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    calls->Work();
    lock.lock();
  }
}

}  // namespace qkeras_hybrid
