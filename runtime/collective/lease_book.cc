#include "runtime/collective/lease_book.h"

#include <sys/eventfd.h>

namespace runtime {

void LeaseSlot::OnFree(void* /*data*/, void* hint) {
  auto* slot = static_cast<LeaseSlot*>(hint);
  slot->queue->Push(slot);
}

// Push and WakeOnNext each write one of (head_, wake_) and then read the other, all sequentially
// consistent: so at least one of the two threads sees what the other wrote, and no wake is lost.
void ReleaseQueue::Push(LeaseSlot* slot) {
  // The slot is free for its next use as soon as it is in the stack.
  const int event_fd = event_fd_;
  LeaseSlot* head = head_.load();
  do {
    slot->next = head;
  } while (!head_.compare_exchange_weak(head, slot));
  if (wake_.exchange(false)) eventfd_write(event_fd, 1);
}

bool ReleaseQueue::WakeOnNext() {
  wake_.store(true);
  return head_.load() == nullptr;
}

LeaseSlot* LeaseBook::Lend(RingLease lease) {
  while (slots_.size() <= lease.chunk) slots_.emplace_back();
  LeaseSlot& slot = slots_[lease.chunk];
  slot = {.next = nullptr, .queue = &queue_, .book = this, .lease = lease};
  ++outstanding_;
  return &slot;
}

}  // namespace runtime
