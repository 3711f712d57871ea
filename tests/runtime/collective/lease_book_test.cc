// The way of a lease back from libzmq's I/O threads, played by threads of ours: libzmq is not
// instrumented, so only here does ThreadSanitizer see both ends.
#include "runtime/collective/lease_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <deque>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/mutex.h"

namespace runtime {
namespace {

constexpr int kPatienceMilliseconds = 60'000;

class Leases : public testing::Test {
 protected:
  Leases() : event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), queue_(event_fd_) {
    EXPECT_GE(event_fd_, 0);
  }
  ~Leases() override { close(event_fd_); }

  bool WaitForWake(int milliseconds) const {
    pollfd item{.fd = event_fd_, .events = POLLIN, .revents = 0};
    eventfd_t count = 0;
    return poll(&item, 1, milliseconds) == 1 && eventfd_read(event_fd_, &count) == 0;
  }

  const int event_fd_;
  ReleaseQueue queue_;
};

TEST_F(Leases, ComeBackNewestFirst) {
  LeaseBook book(queue_, nullptr);
  LeaseSlot* const first = book.Lend({.chunk = 3});
  LeaseSlot* const second = book.Lend({.chunk = 0});
  EXPECT_EQ(book.outstanding(), 2U);
  EXPECT_EQ(queue_.TakeAll(), nullptr);
  LeaseSlot::OnFree(nullptr, first);
  LeaseSlot::OnFree(nullptr, second);
  const LeaseSlot* const taken = queue_.TakeAll();
  ASSERT_EQ(taken, second);
  ASSERT_EQ(taken->next, first);
  EXPECT_EQ(first->next, nullptr);
  EXPECT_EQ(first->lease.chunk, 3U);
  EXPECT_EQ(queue_.TakeAll(), nullptr);
}

TEST_F(Leases, WakeTheTakerOnlyIfItAsked) {
  LeaseBook book(queue_, nullptr);
  LeaseSlot::OnFree(nullptr, book.Lend({.chunk = 0}));
  EXPECT_FALSE(WaitForWake(0));
  EXPECT_FALSE(queue_.WakeOnNext()) << "one is there already";
  EXPECT_NE(queue_.TakeAll(), nullptr);
  EXPECT_TRUE(queue_.WakeOnNext());
  LeaseSlot::OnFree(nullptr, book.Lend({.chunk = 1}));
  EXPECT_TRUE(WaitForWake(0));
  LeaseSlot::OnFree(nullptr, book.Lend({.chunk = 2}));
  EXPECT_FALSE(WaitForWake(0)) << "asked once, woken once";
}

// What libzmq does with messages: it hands them to other threads, which read and then free them.
class FreeingThreads {
 public:
  explicit FreeingThreads(int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { Run(); });
  }
  ~FreeingThreads() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }
  void Send(LeaseSlot* slot, const float* chunk) {
    {
      MutexLock lock(mutex_);
      sent_.push_back({slot, chunk});
    }
    changed_.NotifyAll();
  }

 private:
  struct Message {
    LeaseSlot* slot;
    const float* chunk;
  };
  void Run() {
    for (;;) {
      Message message{};
      {
        MutexLock lock(mutex_);
        while (sent_.empty() && !stopping_) {
          changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
        }
        if (sent_.empty()) return;
        message = sent_.front();
        sent_.pop_front();
      }
      EXPECT_EQ(*message.chunk, static_cast<float>(message.slot->lease.chunk));
      LeaseSlot::OnFree(nullptr, message.slot);
    }
  }

  Mutex mutex_;
  Condition changed_;
  std::deque<Message> sent_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

TEST_F(Leases, OfManyThreadsComeBackOnceEachBeforeTheirMemoryIsWrittenAnew) {
  constexpr std::uint32_t kChunks = 8;
  constexpr int kTimes = 2000;
  LeaseBook book(queue_, nullptr);
  std::vector<float> memory(kChunks);
  std::vector<int> returns(kChunks, 0);
  FreeingThreads threads(3);
  const auto lend = [&](std::uint32_t chunk) {
    memory[chunk] = static_cast<float>(chunk);
    threads.Send(book.Lend({.chunk = chunk}), &memory[chunk]);
  };
  for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) lend(chunk);
  while (book.outstanding() > 0) {
    LeaseSlot* slot = queue_.TakeAll();
    if (slot == nullptr && queue_.WakeOnNext()) {
      ASSERT_TRUE(WaitForWake(kPatienceMilliseconds)) << "a wake was lost";
    }
    while (slot != nullptr) {
      LeaseSlot* const next = slot->next;
      const std::uint32_t chunk = slot->lease.chunk;
      book.Return();
      memory[chunk] = -1;  // Ours again.
      if (++returns[chunk] < kTimes) lend(chunk);
      slot = next;
    }
  }
  EXPECT_THAT(returns, testing::Each(kTimes));
}

}  // namespace
}  // namespace runtime
