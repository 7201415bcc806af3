// Sessions by the digest of their program, for bridges that can't store them elsewhere.
#ifndef QKERAS_HYBRID_NATIVE_SESSIONS_H_
#define QKERAS_HYBRID_NATIVE_SESSIONS_H_

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "session.h"

namespace qkeras_hybrid {

class Sessions {
 public:
  // The session of the program that `digest` stands for, opened by `open` if it is not there: a
  // function that returns a std::unique_ptr<const Session>, or null.
  template <class F>
  std::shared_ptr<const Session> Get(std::string_view digest, F open) {
    const std::string key(digest);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto found = by_digest_.find(key);
      if (found != by_digest_.end()) {
        recent_.splice(recent_.begin(), recent_, found->second);
        return found->second->second;
      }
    }
    // Without the lock, since this takes long. If two threads open the same one, the later is kept.
    std::shared_ptr<const Session> session = open();
    if (session == nullptr) return nullptr;
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_digest_.find(key);
    if (found != by_digest_.end()) recent_.erase(found->second);
    recent_.emplace_front(key, session);
    by_digest_[key] = recent_.begin();
    if (recent_.size() > kMost) {
      by_digest_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return session;
  }

 private:
  // More programs than a process usually alternates between. A dropped program is opened again.
  static constexpr size_t kMost = 256;

  using Entry = std::pair<std::string, std::shared_ptr<const Session>>;

  std::mutex mutex_;
  std::list<Entry> recent_;  // the one used last comes first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_digest_;
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_SESSIONS_H_
