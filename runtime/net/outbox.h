// What other threads ask of the control thread, in order.
#ifndef RONDO_RUNTIME_NET_OUTBOX_H_
#define RONDO_RUNTIME_NET_OUTBOX_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstddef>
#include <deque>
#include <variant>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/mutex.h"
#include "runtime/net/traffic.h"
#include "runtime/net/transport.h"

namespace runtime {

struct SendOrder {
  NodeId to;
  Traffic kind = Traffic::kControl;
  Frame frame;
};
struct PublishOrder {
  Traffic kind = Traffic::kControl;
  Frame frame;
};
struct WelcomeOrder {
  NodeId peer;
};
struct DisconnectOrder {
  NodeId peer;
};
struct HeartbeatOrder {
  NodeId to;
  Duration interval{};
  absl::AnyInvocable<Frame()> make;
};
using Order = std::variant<SendOrder, PublishOrder, WelcomeOrder, DisconnectOrder, HeartbeatOrder>;

// Bounded in frames and bytes. Orders without a frame are always taken: each is asked for once per
// peer. Put from any thread; the rest belongs to the control thread.
class Outbox {
 public:
  Outbox(std::size_t max_frames, std::size_t max_bytes);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // kResourceExhausted: at the bound.
  absl::Status Put(Order order) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes wake_fd() readable though nothing was put.
  void Wake();

  // Readable when something was put since the last Take. Negative if no descriptor was left.
  int wake_fd() const { return wake_fd_; }
  // Appends what is there to `orders`. It counts against the bounds until Done.
  void Take(std::deque<Order>& orders) ABSL_LOCKS_EXCLUDED(mutex_);
  // An order that was taken has left, or was given up; `frame_bytes` as FrameBytes said.
  void Done(std::size_t frame_bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // 0 for orders without a frame.
  static std::size_t FrameBytes(const Order& order);

 private:
  const std::size_t max_frames_;
  const std::size_t max_bytes_;
  const int wake_fd_;
  Mutex mutex_;
  std::deque<Order> orders_ ABSL_GUARDED_BY(mutex_);
  // Put and not yet done.
  std::size_t frames_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_OUTBOX_H_
