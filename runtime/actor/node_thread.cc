#include "runtime/actor/node_thread.h"

#include <pthread.h>

#include <algorithm>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(20);
// Without a timer the thread still looks around now and then: no wait is without a deadline.
constexpr Duration kLongestWait = std::chrono::seconds(1);
constexpr Duration kDestructorTimeout = std::chrono::seconds(10);

}  // namespace

NodeThread::~NodeThread() {
  if (thread_.joinable()) REQUIRE(Stop(kDestructorTimeout).ok());
}

absl::Status NodeThread::Start() {
  REQUIRE(!thread_.joinable());
  RETURN_IF_ERROR(node_.Start());
  thread_ = std::thread([this] { Loop(); });
  pthread_setname_np(thread_.native_handle(), "rondo-actors");
  return absl::OkStatus();
}

void NodeThread::Loop() {
  while (!stop_.load(std::memory_order_acquire)) {
    if (node_.RunReady()) continue;
    const Time longest = std::chrono::steady_clock::now() + kLongestWait;
    node_.mailbox().WaitUntil(std::min(node_.NextTimer().value_or(longest), longest));
  }
  node_.Stop(linger_, reason_);
  {
    MutexLock lock(mutex_);
    done_ = true;
  }
  changed_.NotifyAll();
}

absl::Status NodeThread::RunUntil(absl::FunctionRef<bool()> stop) {
  while (!stop()) {
    if (auto ended = node_.WaitEnded(std::chrono::steady_clock::now() + kPoll)) return *ended;
  }
  return absl::OkStatus();
}

absl::Status NodeThread::Stop(Duration timeout, Duration linger, const std::string& reason) {
  if (!thread_.joinable()) return absl::OkStatus();
  if (!stop_.load(std::memory_order_relaxed)) {
    linger_ = linger;
    reason_ = reason;
    stop_.store(true, std::memory_order_release);
  }
  node_.mailbox().Interrupt();
  const Time deadline = std::chrono::steady_clock::now() + timeout;
  {
    MutexLock lock(mutex_);
    while (!done_) {
      if (std::chrono::steady_clock::now() >= deadline) {
        return absl::DeadlineExceededError("an actor's handler does not return");
      }
      changed_.WaitUntil(mutex_, deadline);
    }
  }
  thread_.join();
  return absl::OkStatus();
}

}  // namespace runtime
