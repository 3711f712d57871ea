#include "runtime/actor/thread_executor.h"

#include <pthread.h>

#include <utility>

#include "runtime/actor/guard.h"
#include "runtime/base/require.h"

namespace runtime {
namespace {

constexpr std::chrono::seconds kLongestWait(1);

}  // namespace

ThreadExecutor::ThreadExecutor(Options options)
    : options_(std::move(options)), thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), options_.thread_name.c_str());
}

ThreadExecutor::~ThreadExecutor() {
  std::deque<absl::AnyInvocable<void()>> dropped;  // Destroyed outside of the lock.
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
  }
  changed_.NotifyOne();
  dropped.clear();
  thread_.join();
}

void ThreadExecutor::Run(absl::AnyInvocable<void()> task) {
  {
    MutexLock lock(mutex_);
    REQUIRE(waiting_.size() < options_.most_waiting);
    waiting_.push_back(std::move(task));
  }
  changed_.NotifyOne();
}

void ThreadExecutor::Loop() {
  for (;;) {
    absl::AnyInvocable<void()> task;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) {
        changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kLongestWait);
      }
      if (stopping_) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    const absl::Status status = RunGuarded([&] {
      task();
      return absl::OkStatus();
    });
    if (!status.ok() && options_.on_failure) options_.on_failure(status);
  }
}

}  // namespace runtime
