// When may a failed actor be started again? A pure policy (Supervision in runtime/actor/actor.h).
#ifndef RONDO_RUNTIME_ACTOR_SUPERVISOR_H_
#define RONDO_RUNTIME_ACTOR_SUPERVISOR_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "runtime/actor/actor.h"
#include "runtime/base/clock.h"

namespace runtime {

inline constexpr Duration kLongestBackoff = std::chrono::seconds(5);

class Supervisor {
 public:
  explicit Supervisor(const Supervision& policy) : policy_(policy) {}

  // The actor failed at `now`. How long to wait before it starts again; nothing: it failed too
  // often within the window, the failure goes up to the node, which ends.
  std::optional<Duration> OnFailure(Time now);

  // Since the actor was spawned.
  std::uint64_t restarts() const { return restarts_; }

 private:
  Supervision policy_;
  std::deque<Time> recent_;  // Failures within the window; at most max_restarts of them.
  std::uint64_t restarts_ = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_SUPERVISOR_H_
