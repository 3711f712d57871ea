#include "runtime/net/outbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "runtime/base/require.h"

namespace runtime {

Outbox::Outbox(std::size_t max_frames, std::size_t max_bytes)
    : max_frames_(max_frames),
      max_bytes_(max_bytes),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Outbox::~Outbox() {
  if (wake_fd_ >= 0) close(wake_fd_);
}

std::size_t Outbox::FrameBytes(const Order& order) {
  if (const auto* send = std::get_if<SendOrder>(&order)) {
    return send->frame.size() * sizeof(std::uint64_t);
  }
  if (const auto* publish = std::get_if<PublishOrder>(&order)) {
    return publish->frame.size() * sizeof(std::uint64_t);
  }
  return 0;
}

absl::Status Outbox::Put(Order order) {
  const std::size_t bytes = FrameBytes(order);
  bool was_empty = false;
  {
    MutexLock lock(mutex_);
    if (bytes > 0) {
      if (frames_ >= max_frames_ || bytes > max_bytes_ - bytes_) {
        return absl::ResourceExhaustedError("the outbox is full");
      }
      ++frames_;
      bytes_ += bytes;
    }
    was_empty = orders_.empty();
    orders_.push_back(std::move(order));
  }
  if (was_empty) Wake();
  return absl::OkStatus();
}

void Outbox::Wake() {
  // Fails only when the counter is at its bound, and then the descriptor is readable.
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void Outbox::Take(std::deque<Order>& orders) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
  MutexLock lock(mutex_);
  if (orders.empty()) {
    orders.swap(orders_);
    return;
  }
  for (Order& order : orders_) orders.push_back(std::move(order));
  orders_.clear();
}

void Outbox::Done(std::size_t frame_bytes) {
  if (frame_bytes == 0) return;
  MutexLock lock(mutex_);
  REQUIRE(frames_ > 0 && bytes_ >= frame_bytes);
  --frames_;
  bytes_ -= frame_bytes;
}

}  // namespace runtime
