// std::mutex with clang's thread-safety annotations.
//
// Not absl::Mutex: Debian's prebuilt Abseil is not instrumented, so ThreadSanitizer reports every
// correctly locked access through it as a race.
#ifndef RONDO_RUNTIME_BASE_MUTEX_H_
#define RONDO_RUNTIME_BASE_MUTEX_H_

#include <absl/base/thread_annotations.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace runtime {

class ABSL_LOCKABLE Mutex {
 public:
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class Condition;  // Waits on mutex_.
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex that the caller holds. There is no wait without a deadline.
class Condition {
 public:
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

  // Returns at `deadline` at the latest, or earlier, also without reason: check again.
  void WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    // Not condition_variable_any, which has a mutex of its own that every notification takes:
    // whoever wakes from a wait would often have to wait for that one too.
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, deadline);
    lock.release();  // The caller still holds it.
  }

 private:
  std::condition_variable condition_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_MUTEX_H_
