// Time that passes only when the simulation says so.
#ifndef RONDO_RUNTIME_SIM_VIRTUAL_CLOCK_H_
#define RONDO_RUNTIME_SIM_VIRTUAL_CLOCK_H_

#include "runtime/base/clock.h"
#include "runtime/base/require.h"

namespace runtime::sim {

class VirtualClock final : public Clock {
 public:
  Time Now() const override { return now_; }
  void AdvanceTo(Time time) {
    REQUIRE(time >= now_);
    now_ = time;
  }

 private:
  // Not the epoch, so that a time that was never set stands out.
  Time now_{std::chrono::hours(1)};
};

}  // namespace runtime::sim

#endif  // RONDO_RUNTIME_SIM_VIRTUAL_CLOCK_H_
