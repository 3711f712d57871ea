// A round machine without a barrier, and members that go their own pace.
#ifndef RONDO_TESTS_ACTORS_FREE_TABLE_H_
#define RONDO_TESTS_ACTORS_FREE_TABLE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "actors/averaging/quantum_monitor.h"
#include "actors/round.h"
#include "tests/actors/round_table.h"

namespace actors {

// Three members who each count their own steps. theta is 10, and the estimate the mean of the
// squared norms: a first quantum is 5.
struct FreeTable : Table {
  explicit FreeTable(const RoundOptions& round_options = {.max_steps = 100})
      : Table(round_options) {
    round = std::make_unique<Round>(options, *policy, *QuantumMonitor::Make(Fda()));
    opened = round->Begin(view, now);
  }

  // The drift of a member, after `more` steps of its own. `poll` is the last one that was heard of.
  RoundActions Drifts(std::uint32_t rank, float squared_norm, std::uint64_t more = 1,
                      bool due = false) {
    steps[rank] += more;
    return Hear(round->OnReport(rank,
                                {.fence = Fence(false),
                                 .number = ++number,
                                 .sequence = poll,
                                 .step = steps[rank],
                                 .state = {.squared_norm = squared_norm},
                                 .due = due},
                                now));
  }
  RoundActions AllDrift(float squared_norm, std::uint64_t more = 1) {
    return All([&](std::uint32_t rank) { return Drifts(rank, squared_norm, more); });
  }
  RoundActions SayReady(std::uint32_t rank, std::uint64_t more = 0) {
    steps[rank] += more;
    return Say(rank, Ready{.step = steps[rank], .root = round->root()});
  }
  RoundActions AllReadyAtTheirs() {
    return All([&](std::uint32_t rank) { return SayReady(rank); });
  }
  RoundActions Tick(runtime::Duration later) {
    now += later;
    return Hear(round->OnTick(now));
  }
  // Of all members: a step takes so long.
  void StepsTake(double seconds) {
    for (std::uint32_t rank = 0; rank < 3; ++rank) {
      round->OnStatus(rank, {.fence = Fence(false), .step = steps[rank], .step_seconds = seconds},
                      now);
    }
  }
  // What the members do when they hear it: they note which poll to answer, whose marks to hold.
  RoundActions Hear(RoundActions actions) {
    for (const RoundAction& action : actions) {
      if (const auto* publish = std::get_if<PublishDecision>(&action)) {
        poll = publish->decision.sequence;
      } else if (const auto* send = std::get_if<SendOrder>(&action)) {
        if (const auto* view_opened = std::get_if<OpenView>(&send->order.body)) {
          poll = view_opened->sequence;
        } else if (const auto* commit = std::get_if<Commit>(&send->order.body)) {
          poll = commit->sequence;
          quantum = commit->quantum;
        }
      }
    }
    return actions;
  }
  void Begin() {
    Hear(opened);
    EXPECT_THAT(Lines(AllDrift(0, 0)), testing::ElementsAre("marks every 5"));
  }
  void Prepare() {
    Begin();
    Drifts(0, 11);
    EXPECT_THAT(Lines(Drifts(1, 11)), testing::ElementsAre("poll at step 0"));
    EXPECT_THAT(Lines(AllDrift(11, 0)), testing::ElementsAre("prepare synchronize"));
  }

  std::vector<std::uint64_t> steps = {0, 0, 0};
  std::uint64_t number = 0;
  std::uint64_t poll = 0;
  double quantum = 0;
};

}  // namespace actors

#endif  // RONDO_TESTS_ACTORS_FREE_TABLE_H_
