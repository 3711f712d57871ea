// Which chunks of a vector libzmq may still read: zero-copy sends borrow the memory.
//
// libzmq says on its own I/O thread that it let go of a message, by calling a function. That
// function pushes the chunk's slot on a lock-free stack, which the ring thread empties; if the ring
// thread sleeps and asked to be woken, it is.
#ifndef RONDO_RUNTIME_COLLECTIVE_LEASE_BOOK_H_
#define RONDO_RUNTIME_COLLECTIVE_LEASE_BOOK_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>

#include "runtime/collective/ring_allreduce.h"

namespace runtime {

class LeaseBook;
class ReleaseQueue;

// One chunk on its way out. Lives in its book; at most one send uses it at a time.
struct LeaseSlot {
  LeaseSlot* next = nullptr;  // In the queue.
  ReleaseQueue* queue = nullptr;
  LeaseBook* book = nullptr;
  RingLease lease;

  // libzmq's free function, with the slot as hint. Any thread.
  static void OnFree(void* data, void* hint);
};

// Slots that came back. Many threads push, one takes. `event_fd` is an eventfd that the taker
// polls; borrowed.
class ReleaseQueue {
 public:
  explicit ReleaseQueue(int event_fd) : event_fd_(event_fd) {}

  void Push(LeaseSlot* slot);
  // All slots pushed so far, linked by `next`, newest first; null if none. Taker only.
  LeaseSlot* TakeAll() { return head_.exchange(nullptr); }
  // The next Push wakes the taker. False: something is there already. Taker only.
  bool WakeOnNext();

 private:
  const int event_fd_;
  std::atomic<LeaseSlot*> head_{nullptr};
  std::atomic<bool> wake_{false};
};

// The slots of one job. Ring thread only, but for OnFree. Outlives its leases.
class LeaseBook {
 public:
  LeaseBook(ReleaseQueue& queue, std::shared_ptr<const void> owner)
      : queue_(queue), owner_(std::move(owner)) {}
  LeaseBook(const LeaseBook&) = delete;
  LeaseBook& operator=(const LeaseBook&) = delete;

  // A slot for a send; the chunk must not be leased already.
  LeaseSlot* Lend(RingLease lease);
  void Return() { --outstanding_; }
  std::uint32_t outstanding() const { return outstanding_; }

 private:
  ReleaseQueue& queue_;
  const std::shared_ptr<const void> owner_;  // Of the memory; held while anything is lent.
  std::deque<LeaseSlot> slots_;              // By chunk. A deque, because slots must not move.
  std::uint32_t outstanding_ = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_LEASE_BOOK_H_
