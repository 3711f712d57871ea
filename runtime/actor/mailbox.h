// What waits for a node's actors: one queue of two lanes per node, because its actors share one
// thread. Any thread pushes; the actor thread pops.
//
// The control lane is never dropped. A bound per sender keeps it finite all the same: whoever has
// that much waiting is out of order, and is cut off by the node (a remote sender) or ends it (its
// own actors). The data lane is bounded in bytes; its sender is told kResourceExhausted.
#ifndef RONDO_RUNTIME_ACTOR_MAILBOX_H_
#define RONDO_RUNTIME_ACTOR_MAILBOX_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <variant>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/mutex.h"
#include "runtime/net/frame.h"

namespace runtime {

// A frame, opened. The reader borrows the frame's words, which stay where they are when it moves.
struct FrameLetter {
  Frame frame;
  std::unique_ptr<FrameReader> reader;
};

// A closure for one life of one actor.
struct PostedLetter {
  ActorId actor{};
  std::uint64_t life = 0;
  absl::AnyInvocable<void()> closure;
};

struct DisconnectedLetter {
  absl::Status why;
};

struct Letter {
  NodeId source;  // Whose connection it came by; this node itself for what is local.
  std::variant<FrameLetter, PostedLetter, DisconnectedLetter> content;
};

struct MailboxLimits {
  std::size_t control_letters = std::size_t{1} << 16;  // Per source.
  std::size_t control_bytes = std::size_t{64} << 20;   // Per source.
  std::size_t data_bytes = std::size_t{64} << 20;      // In all.
};

class Mailbox {
 public:
  explicit Mailbox(const MailboxLimits& limits) : limits_(limits) {}

  // Tells and asks of these types go by the data lane; all else is control.
  void AddDataTypes(std::span<const std::uint64_t> types);

  // kResourceExhausted: the data lane is full; kInternal: the source has too much waiting in the
  // control lane; kCancelled: closed. What is refused is destroyed on the caller's thread.
  absl::Status Push(Letter letter);

  // The oldest letter of the control lane; in between, so that it does not starve, of the data
  // lane.
  std::optional<Letter> Pop();

  // Returns when a letter waits, at Interrupt, or at `deadline`.
  void WaitUntil(Time deadline);
  void Interrupt();
  // Drops what waits and refuses what comes.
  void Close();

 private:
  struct Waiting {
    Letter letter;
    std::size_t bytes = 0;
  };
  struct Load {
    std::size_t letters = 0;
    std::size_t bytes = 0;
  };

  bool IsData(const Letter& letter) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Letter PopControl() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Letter PopData() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const MailboxLimits limits_;
  Mutex mutex_;
  Condition changed_;
  std::deque<Waiting> control_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> data_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<NodeId, Load> control_load_ ABSL_GUARDED_BY(mutex_);
  std::size_t data_load_ ABSL_GUARDED_BY(mutex_) = 0;  // Bytes.
  absl::flat_hash_set<std::uint64_t> data_types_ ABSL_GUARDED_BY(mutex_);
  std::size_t control_streak_ ABSL_GUARDED_BY(mutex_) = 0;  // Popped since data was.
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_MAILBOX_H_
