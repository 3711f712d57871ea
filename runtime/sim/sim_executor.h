// An Executor in virtual time: each task takes a while, drawn from the seed, and its effects show
// at the end of it.
#ifndef RONDO_RUNTIME_SIM_SIM_EXECUTOR_H_
#define RONDO_RUNTIME_SIM_SIM_EXECUTOR_H_

#include <absl/functional/any_invocable.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "runtime/actor/executor.h"
#include "runtime/sim/scheduler.h"

namespace runtime::sim {

class SimExecutor final : public Executor {
 public:
  // A task takes between `shortest` and `longest`. Tasks that wait when the executor is destroyed
  // are dropped.
  SimExecutor(Scheduler& scheduler, Duration shortest, Duration longest)
      : scheduler_(scheduler), shortest_(shortest), longest_(longest) {}

  // From now on one task in `one_in` takes so much longer.
  void Stall(std::uint64_t one_in, Duration longer) {
    stalls_one_in_ = one_in;
    stall_ = longer;
  }

  void Run(absl::AnyInvocable<void()> task) override {
    const auto spread = static_cast<std::uint64_t>((longest_ - shortest_).count());
    Duration takes =
        shortest_ + Duration(static_cast<Duration::rep>(scheduler_.random().Below(spread + 1)));
    if (stalls_one_in_ > 0 && scheduler_.random().Below(stalls_one_in_) == 0) takes += stall_;
    free_at_ = std::max(free_at_, scheduler_.Now()) + takes;
    scheduler_.Schedule(free_at_ - scheduler_.Now(), [alive = std::weak_ptr<const bool>(alive_),
                                                      task = std::move(task)]() mutable {
      if (!alive.expired()) task();
    });
  }

 private:
  Scheduler& scheduler_;
  const Duration shortest_;
  const Duration longest_;
  std::uint64_t stalls_one_in_ = 0;  // 0: none does.
  Duration stall_{};
  Time free_at_{};
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace runtime::sim

#endif  // RONDO_RUNTIME_SIM_SIM_EXECUTOR_H_
