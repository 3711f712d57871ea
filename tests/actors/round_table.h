// A round machine and its members, who answer as a test tells them to; actions as lines of text.
#ifndef RONDO_TESTS_ACTORS_ROUND_TABLE_H_
#define RONDO_TESTS_ACTORS_ROUND_TABLE_H_

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/averaging/sync_policy.h"
#include "actors/round.h"
#include "runtime/base/error.h"

namespace actors {

inline constexpr runtime::Hash128 kFirstRoot{.high = 1, .low = 1};
inline constexpr runtime::Hash128 kNewRoot{.high = 2, .low = 2};

inline std::string NameOf(RingPurpose purpose) {
  return purpose == RingPurpose::kSynchronize ? "synchronize" : "evaluate";
}

// An action as a line of text, for tables.
inline std::string Line(const RoundAction& action) {
  if (const auto* publish = std::get_if<PublishDecision>(&action)) {
    const Decision& decision = publish->decision;
    if (decision.poll) return absl::StrCat("poll at step ", decision.step);
    if (decision.quantum > 0) return absl::StrCat("marks every ", decision.quantum);
    return absl::StrCat("decision ", decision.sequence, " at step ", decision.step);
  }
  if (const auto* event = std::get_if<Synchronized>(&action)) {
    return absl::StrCat("synchronized round ", event->round, " at step ", event->step,
                        event->last ? ", the last" : "");
  }
  if (const auto* tested = std::get_if<Tested>(&action)) {
    return absl::StrCat("tested the ", tested->of_mean ? "mean" : "base", " at step ", tested->step,
                        ": ", tested->accuracy, tested->reached_target ? ", reached" : "");
  }
  if (const auto* ended = std::get_if<Ended>(&action)) {
    if (ended->status.ok()) return "ended";
    return absl::StrCat("ended ", runtime::ToUserError(ended->status).code);
  }
  if (const auto* opened = std::get_if<ViewOpened>(&action)) {
    std::vector<std::uint32_t> slots;
    for (const Member& member : opened->members) slots.push_back(member.slot);
    return absl::StrCat("opened ", absl::StrJoin(slots, " "));
  }
  if (std::holds_alternative<Aborted>(action)) return "aborted";
  if (const auto* late = std::get_if<PassedOver>(&action)) {
    return absl::StrCat("passed over ", late->nodes.size());
  }
  if (const auto* stuck = std::get_if<Stuck>(&action)) {
    return absl::StrCat("stuck ", stuck->nodes.size());
  }
  if (const auto* left = std::get_if<Left>(&action)) {
    return absl::StrCat("left ", left->node.high);
  }
  const SendOrder& send = std::get<SendOrder>(action);
  const Order::Body& body = send.order.body;
  std::string to = send.rank.has_value() ? absl::StrCat(" to rank ", *send.rank) : "";
  if (const auto* view = std::get_if<OpenView>(&body)) return view->hold ? "view, hold" : "view";
  if (std::holds_alternative<AbortAttempt>(body)) return "abort";
  if (const auto* prepare = std::get_if<Prepare>(&body))
    return "prepare " + NameOf(prepare->purpose);
  if (const auto* start = std::get_if<Start>(&body)) return "start " + NameOf(start->purpose);
  if (const auto* commit = std::get_if<Commit>(&body)) {
    if (commit->then_wait) return "commit, then wait";
    return commit->then_evaluate ? "commit, then evaluate" : "commit";
  }
  if (std::holds_alternative<EvaluateMean>(body)) return "evaluate the mean";
  const Finish& finish = std::get<Finish>(body);
  return absl::StrCat("finish", to, finish.save_model ? ", save" : "");
}

inline std::vector<std::string> Lines(const RoundActions& actions) {
  std::vector<std::string> lines;
  for (const RoundAction& action : actions) lines.push_back(Line(action));
  return lines;
}

// Why a run was ended, or an attempt aborted.
inline std::string MessageOf(const RoundActions& actions) {
  for (const RoundAction& action : actions) {
    if (const auto* ended = std::get_if<Ended>(&action))
      return std::string(ended->status.message());
    const auto* send = std::get_if<SendOrder>(&action);
    if (send == nullptr) continue;
    if (const auto* abort = std::get_if<AbortAttempt>(&send->order.body)) return abort->reason;
  }
  return "";
}

// A round machine with its members, who answer as told. Member k sits in slot 10 + k.
struct Table {
  explicit Table(const RoundOptions& round_options = {.max_steps = 100},
                 const SyncPolicyOptions& policy_options = Fda(), std::uint32_t members = 3)
      : policy(*MakeMonitorPolicy(policy_options)), options(round_options) {
    options.run = 77;
    options.reports = policy_options.strategy == Strategy::kFda;
    options.base_root = kFirstRoot;
    options.schedule.learning_rate = 0.25;
    round = std::make_unique<Round>(options, *policy);
    for (std::uint32_t rank = 0; rank < members; ++rank) {
      view.push_back(MemberIn(10 + rank));
    }
    opened = round->Begin(view, now);
  }

  // Synchronizes when the mean of the squared norms passes 10; the naive estimate is just that.
  static SyncPolicyOptions Fda() {
    return {.estimator = {.kind = EstimatorKind::kNaive, .parameters = 4},
            .theta = 10,
            .max_steps = 100};
  }
  static SyncPolicyOptions Local() {
    return {.strategy = Strategy::kLocal, .tau = 5, .max_steps = 100};
  }

  runtime::Fence Fence(bool with_attempt) const {
    runtime::Fence fence = round->fence();
    if (!with_attempt) fence.attempt = 0;
    return fence;
  }
  StateReport ReportOf(float squared_norm) const {
    return {.fence = Fence(false),
            .sequence = sequence,
            .step = round->step() + (sequence == 0 ? 0 : 1),
            .state = {.squared_norm = squared_norm}};
  }
  RoundActions Report(std::uint32_t rank, float squared_norm) {
    return round->OnReport(rank, ReportOf(squared_norm), now);
  }
  RoundActions Say(std::uint32_t rank, Answer::Body body, bool with_attempt = true) {
    return round->OnAnswer(rank, {.fence = Fence(with_attempt), .body = std::move(body)}, now);
  }

  // The status of a member in the present ring.
  void Flow(std::uint32_t rank, std::uint32_t received, std::uint32_t for_next) {
    round->OnStatus(
        rank, {.fence = Fence(true), .ring_received = received, .ring_for_next = for_next}, now);
  }

  // Everybody does the same; what the last of them caused, after seeing that the others caused
  // nothing.
  RoundActions All(const std::function<RoundActions(std::uint32_t rank)>& act) {
    const auto last = static_cast<std::uint32_t>(round->members().size() - 1);
    for (std::uint32_t rank = 0; rank < last; ++rank) {
      EXPECT_THAT(Lines(act(rank)), testing::IsEmpty()) << "rank " << rank;
    }
    return act(last);
  }
  RoundActions AllReport(float squared_norm) {
    RoundActions actions = All([&](std::uint32_t rank) { return Report(rank, squared_norm); });
    ++sequence;
    return actions;
  }
  RoundActions AllReady(RingPurpose purpose, std::uint64_t step, bool asked = true) {
    return All([&](std::uint32_t rank) {
      return Say(rank, Ready{.purpose = purpose, .step = step, .root = round->root()}, asked);
    });
  }
  RoundActions AllDone(runtime::Hash128 root = kNewRoot) {
    return All([&](std::uint32_t rank) { return Say(rank, Done{.root = root, .seconds = 0.5}); });
  }
  RoundActions AllEvaluated(std::uint64_t correct) {
    return All([&](std::uint32_t rank) {
      return Say(rank, Evaluated{.correct = correct, .samples = 10});
    });
  }
  RoundActions AllFinished() {
    return All([&](std::uint32_t rank) { return Say(rank, Finished{}); });
  }
  // Members of these slots are lost; a new view is opened, unless the run ends.
  RoundActions Lose(const std::vector<std::uint32_t>& slots) {
    std::vector<runtime::NodeId> nodes;
    for (const std::uint32_t slot : slots) nodes.push_back(NodeIn(slot));
    sequence = 0;
    return round->OnLost(nodes,
                         runtime::MakeError("WORKER_LOST", runtime::Exit::kRunFailed, "gone"), now);
  }
  RoundActions Admit(std::uint32_t slot) {
    sequence = 0;
    return round->Admit({MemberIn(slot)}, now);
  }
  RoundActions Leave(std::uint32_t slot) { return round->OnLeave(NodeIn(slot), now); }
  // One that all others can connect to.
  static Member MemberIn(std::uint32_t slot) {
    return {.node = NodeIn(slot), .slot = slot, .endpoint = {.tcp = "tcp://somewhere:1"}};
  }
  static runtime::NodeId NodeIn(std::uint32_t slot) { return {.high = 90 + slot, .low = 1}; }

  // From the opening report to the ring of a synchronization at step 1.
  void RunToRing() {
    AllReport(0);
    AllReport(11);
    AllReady(RingPurpose::kSynchronize, 1);
    ASSERT_EQ(round->phase(), Round::Phase::kRinging);
  }

  runtime::Time now{std::chrono::seconds(1000)};
  std::unique_ptr<MonitorPolicy> policy;
  RoundOptions options;
  std::unique_ptr<Round> round;
  std::vector<Member> view;
  RoundActions opened;
  std::uint64_t sequence = 0;
};

inline Fail BrokenEdge() { return {.code = kRingFailed, .message = "the edge is gone"}; }

// The members of the ring that was started, in its order.
inline std::vector<Member> RingMembers(const RoundActions& actions) {
  for (const RoundAction& action : actions) {
    const auto* send = std::get_if<SendOrder>(&action);
    const auto* start = send == nullptr ? nullptr : std::get_if<Start>(&send->order.body);
    if (start != nullptr) return start->members;
  }
  return {};
}
inline std::vector<std::uint32_t> RingSlots(const RoundActions& actions) {
  std::vector<std::uint32_t> slots;
  for (const Member& member : RingMembers(actions)) slots.push_back(member.slot);
  return slots;
}

}  // namespace actors

#endif  // RONDO_TESTS_ACTORS_ROUND_TABLE_H_
