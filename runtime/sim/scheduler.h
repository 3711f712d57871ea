// The heart of a simulation: closures in order of virtual time, on one thread. What happens at one
// moment happens in the order in which it was scheduled, so a run depends on nothing but its seed.
#ifndef RONDO_RUNTIME_SIM_SCHEDULER_H_
#define RONDO_RUNTIME_SIM_SCHEDULER_H_

#include <absl/functional/any_invocable.h>

#include <array>
#include <cstdint>
#include <optional>

#include "runtime/actor/timer_queue.h"
#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "runtime/sim/virtual_clock.h"

namespace runtime::sim {

class Scheduler {
 public:
  explicit Scheduler(std::uint64_t seed) : random_(seed) {}

  const VirtualClock& clock() const { return clock_; }
  Time Now() const { return clock_.Now(); }
  // The simulation's only source of chance.
  SeededRandom& random() { return random_; }

  // Returns a number for Cancel.
  std::uint64_t Schedule(Duration delay, absl::AnyInvocable<void()> closure) {
    return queue_.Add(Now() + delay, nullptr, std::move(closure));
  }
  void Cancel(std::uint64_t number) { queue_.Cancel(number); }

  std::optional<Time> NextTime() const { return queue_.Next(); }
  // Moves time to the next closure and runs it. False: there is none.
  bool RunNext() {
    const std::optional<Time> next = queue_.Next();
    if (!next.has_value()) return false;
    clock_.AdvanceTo(*next);
    queue_.PopDue(*next, queue_.next_id())->then();
    return true;
  }
  // Lets time pass in which nothing was scheduled.
  void AdvanceTo(Time time) { clock_.AdvanceTo(time); }

  // Adds an event to the trace; equal traces have equal hashes.
  void Trace(std::uint64_t event) {
    const std::array<std::uint64_t, 3> link = {
        trace_hash_, event, static_cast<std::uint64_t>(Now().time_since_epoch().count())};
    trace_hash_ = HashBytes(link.data(), sizeof(link));
  }
  std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  VirtualClock clock_;
  SeededRandom random_;
  TimerQueue<const void*> queue_;
  std::uint64_t trace_hash_ = 0;
};

}  // namespace runtime::sim

#endif  // RONDO_RUNTIME_SIM_SCHEDULER_H_
