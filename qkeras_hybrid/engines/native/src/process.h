// Objects that exist once per process.
#ifndef QKERAS_HYBRID_NATIVE_PROCESS_H_
#define QKERAS_HYBRID_NATIVE_PROCESS_H_

#include <pthread.h>

#include <atomic>
#include <mutex>

namespace qkeras_hybrid {

// The one object of type T of this process, made at the first call and never destroyed.
//
// A forked child makes its own object: the threads that used the parent's object no longer exist,
// and may have left its locks held.
template <class T>
class PerProcess {
 public:
  static T& Get() {
    T* object = object_.load(std::memory_order_acquire);
    if (object != nullptr) return *object;
    auto* const fresh = new T();
    if (!object_.compare_exchange_strong(object, fresh, std::memory_order_acq_rel)) {
      delete fresh;  // another thread was first
      return *object;
    }
    static std::once_flag once;
    std::call_once(once, [] {
      pthread_atfork(nullptr, nullptr, [] { object_.store(nullptr, std::memory_order_release); });
    });
    return *fresh;
  }

 private:
  static inline std::atomic<T*> object_{nullptr};
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_PROCESS_H_
