#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "actors/averaging/quantum_marks.h"
#include "actors/averaging/quantum_monitor.h"
#include "actors/averaging/quantum_worker.h"
#include "runtime/base/random.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::tests::HasCode;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr XiId kXi = {.newer_base = {2, 1}, .older_base = {1, 1}};
constexpr XiId kOtherXi = {.newer_base = {3, 1}, .older_base = {1, 1}};

SyncPolicyOptions Options(double theta = 2, EstimatorKind kind = EstimatorKind::kLinear) {
  return {.estimator = {.kind = kind, .parameters = 10}, .theta = theta};
}

LocalState State(float squared_norm, float projection = 0, XiId xi_id = {}) {
  return {.squared_norm = squared_norm, .projection = projection, .xi_id = xi_id};
}

QuantumMonitor MakeMonitor(const SyncPolicyOptions& options = Options()) {
  return std::move(QuantumMonitor::Make(options).value());
}

// A monitor that opened a view and has these answers, and what it did about the last one.
struct Answered {
  Answered(QuantumMonitor made, const std::vector<float>& weights,
           const std::vector<LocalState>& states)
      : monitor(std::move(made)), poll(monitor.Open(weights).poll) {
    for (std::size_t k = 0; k < states.size(); ++k) {
      EXPECT_TRUE(std::holds_alternative<std::monostate>(move)) << "before all have answered";
      move = monitor.OnReport(k, {.poll = poll, .state = states[k]});
    }
  }
  Quanta quanta() const { return std::get<Quanta>(move); }
  Verdict verdict() const { return std::get<Verdict>(move); }
  QuantumMove Report(std::size_t member, std::uint64_t number, float squared_norm) {
    return monitor.OnReport(member, {.poll = poll, .number = number, .state = State(squared_norm)});
  }

  QuantumMonitor monitor;
  PollId poll;
  QuantumMove move;
};

bool IsNothing(const QuantumMove& move) { return std::holds_alternative<std::monostate>(move); }
bool IsPoll(const QuantumMove& move) { return std::holds_alternative<QuantumPoll>(move); }

// A worker with marks of poll 1 at squared_norm + i·quantum.
QuantumWorker WatchingWorker(float squared_norm, double quantum) {
  QuantumWorker worker(State(squared_norm));
  EXPECT_TRUE(worker.OnPoll({.poll = 1}).has_value());
  EXPECT_FALSE(worker.OnQuanta({.poll = 1, .quantum = quantum}).has_value());
  return worker;
}

TEST(QuantumMarks, PhiIsTheSquaredDistanceFromThePointAllAreMeasuredFrom) {
  const QuantumMarks marks({.xhat = 2, .quantum = 1}, State(9, 3, kXi));
  EXPECT_EQ(marks.Phi(State(9, 3, kXi)), 1);     // (3, 0) from (2, 0).
  EXPECT_EQ(marks.Phi(State(25, -3, kXi)), 41);  // (-3, 4) from (2, 0).
  EXPECT_EQ(marks.First(), 2);
}

TEST(QuantumMarks, AnotherDirectionIsFarAwayUnlessNoneCounts) {
  const QuantumMarks with({.xhat = 2, .quantum = 1}, State(9, 3, kXi));
  EXPECT_EQ(with.Phi(State(9, 3, kOtherXi)), kInfinity);
  EXPECT_EQ(with.Phi(State(9)), kInfinity);
  const QuantumMarks without({.xhat = 0, .quantum = 1}, State(9, 3, kXi));
  EXPECT_EQ(without.Phi(State(16, 3, kOtherXi)), 16);
}

TEST(QuantumMarks, TheNextMarkIsAbovePhiByAtMostAQuantum) {
  const QuantumMarks marks({.quantum = 0.5}, State(1));
  struct Case {
    double phi, mark;
  };
  for (const Case& c : std::vector<Case>{{1, 1.5},
                                         {1.2, 1.5},
                                         {1.6, 2},
                                         {4.1, 4.5},
                                         {0.3, 1.5},  // Below the base the first one holds.
                                         {kInfinity, kInfinity}}) {
    EXPECT_EQ(marks.Above(c.phi), c.mark) << c.phi;
  }
}

TEST(QuantumMarks, NoMarkIsBelowThePhiItWasMadeForHoweverTheNumbersRound) {
  runtime::SeededRandom random(1);
  const auto draw = [&] { return std::pow(10, 60 * random.Fraction() - 30); };
  for (int i = 0; i < 100'000; ++i) {
    const QuantumMarks marks({.quantum = draw()}, State(static_cast<float>(draw())));
    const double phi = draw();
    ASSERT_GE(marks.Above(phi), phi);
  }
}

TEST(QuantumWorker, HasNothingToSayBeforeItsFirstMarks) {
  QuantumWorker worker{LocalState()};
  EXPECT_FALSE(worker.AfterStep(State(1e6f)).has_value());
  EXPECT_FALSE(worker.OnQuanta({.poll = 3, .quantum = 1}).has_value());
  EXPECT_FALSE(worker.AfterStep(State(2e6f)).has_value());
}

TEST(QuantumWorker, ReportsEachMarkOnceAndAStepOverManyOnce) {
  QuantumWorker worker = WatchingWorker(1, 0.5);
  struct Case {
    float squared_norm;
    std::uint64_t number;  // 0: silent.
  };
  for (const Case& c : std::vector<Case>{{1.2f, 0},
                                         {1.5f, 0},  // At the mark is not past it.
                                         {1.6f, 1},
                                         {1.4f, 0},
                                         {1.9f, 0},  // That mark was reported.
                                         {2.1f, 2},
                                         {9.2f, 3},
                                         {9.4f, 0},
                                         {9.6f, 4}}) {
    const auto report = worker.AfterStep(State(c.squared_norm));
    ASSERT_EQ(report.has_value(), c.number != 0) << c.squared_norm;
    if (!report.has_value()) continue;
    EXPECT_EQ(report->poll, 1u);
    EXPECT_EQ(report->number, c.number);
    EXPECT_EQ(report->state.squared_norm, c.squared_norm);
  }
}

TEST(QuantumWorker, WatchesTheDistanceAndNotTheNorm) {
  QuantumWorker worker(State(1, 1, kXi));
  ASSERT_TRUE(worker.OnPoll({.poll = 1}).has_value());
  ASSERT_FALSE(worker.OnQuanta({.poll = 1, .xhat = 1, .quantum = 0.25}).has_value());
  // It turns by 60 degrees: no longer, but 1 away.
  const auto report = worker.AfterStep(State(1, 0.5f, kXi));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->state.projection, 0.5f);
  EXPECT_EQ(report->state.xi_id, kXi);
}

TEST(QuantumWorker, AnswersAPollFromTheLastBoundaryAndIsSilentUntilItsMarks) {
  QuantumWorker worker = WatchingWorker(1, 0.5);
  ASSERT_TRUE(worker.AfterStep(State(1.6f)).has_value());
  ASSERT_FALSE(worker.AfterStep(State(1.7f)).has_value());
  const auto answer = worker.OnPoll({.poll = 2});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->poll, 2u);
  EXPECT_EQ(answer->number, 0u);
  EXPECT_EQ(answer->state.squared_norm, 1.7f);
  EXPECT_FALSE(worker.AfterStep(State(8)).has_value());
  // Past a mark as it comes: at once. The marks count from the answer.
  const auto report = worker.OnQuanta({.poll = 2, .quantum = 0.5});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->number, 1u);
  EXPECT_EQ(report->state.squared_norm, 8);
  EXPECT_FALSE(worker.AfterStep(State(8.1f)).has_value());
  EXPECT_TRUE(worker.AfterStep(State(8.3f)).has_value());  // 1.7 + 13 · 0.5 = 8.2.
}

TEST(QuantumWorker, GivesAPollThatComesAgainTheSameAnswer) {
  QuantumWorker worker(State(1));
  ASSERT_TRUE(worker.OnPoll({.poll = 4}).has_value());
  ASSERT_FALSE(worker.AfterStep(State(2)).has_value());
  EXPECT_EQ(worker.OnPoll({.poll = 4})->state.squared_norm, 1);
  ASSERT_TRUE(worker.OnQuanta({.poll = 4, .quantum = 0.5}).has_value());
  // Not a second time, nor of another poll.
  EXPECT_FALSE(worker.OnQuanta({.poll = 4, .quantum = 0.1}).has_value());
  EXPECT_FALSE(worker.OnQuanta({.poll = 3, .quantum = 0.1}).has_value());
  EXPECT_FALSE(worker.OnQuanta({.poll = 5, .quantum = 0.1}).has_value());
  EXPECT_FALSE(worker.OnPoll({.poll = 3}).has_value());
  EXPECT_FALSE(worker.AfterStep(State(2.4f)).has_value());
}

TEST(QuantumWorker, AfterCommitCountsFromZeroAndTellsOfTheDriftThatItKept) {
  for (const bool keeps : {false, true}) {
    QuantumWorker worker = WatchingWorker(3, 0.5);
    const auto report = worker.OnCommit({.poll = 2, .quantum = 1}, State(keeps ? 3 : 0));
    ASSERT_EQ(report.has_value(), keeps);
    EXPECT_EQ(worker.AfterStep(State(1.5f)).has_value(), !keeps);
    const auto next = worker.AfterStep(State(4.5f));
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->poll, 2u);
    EXPECT_EQ(next->number, 2u);
  }
}

TEST(QuantumWorker, TellsOfADriftThatIsNotFinite) {
  QuantumWorker worker = WatchingWorker(1, kInfinity);
  EXPECT_FALSE(worker.AfterStep(State(1e30f)).has_value());
  EXPECT_TRUE(worker.AfterStep(State(std::nanf(""))).has_value());
}

TEST(QuantumMonitor, PublishesTheMeanProjectionAndHalfTheSlack) {
  const Answered linear(MakeMonitor(), {3, 1},
                        {State(1, 1, kXi), State(2, -1, kXi)});  // v = 1.25, x = 0.5.
  EXPECT_EQ(linear.quanta().poll, linear.poll);
  EXPECT_EQ(linear.quanta().xhat, 0.5);
  EXPECT_EQ(linear.quanta().quantum, 0.5);
  const Answered naive(MakeMonitor(Options(2, EstimatorKind::kNaive)), {3, 1},
                       {State(1), State(2)});
  EXPECT_EQ(naive.quanta().xhat, 0);
  EXPECT_EQ(naive.quanta().quantum, 0.375);
}

TEST(QuantumMonitor, MeasuresFromTheBaseWithoutACommonDirection) {
  for (const XiId& xi_id : {XiId(), kOtherXi}) {
    const Answered answered(MakeMonitor(), {1, 1}, {State(1, 1, kXi), State(1, 1, xi_id)});
    EXPECT_EQ(answered.quanta().xhat, 0);
    EXPECT_EQ(answered.quanta().quantum, 0.5);
  }
}

TEST(QuantumMonitor, SynchronizesAboveThetaAndTooCloseToIt) {
  EXPECT_THAT(Answered(MakeMonitor(), {1, 1}, {State(4), State(0.1f)}).verdict().reason,
              HasSubstr("> theta 2"));
  const Verdict close = Answered(MakeMonitor(), {1, 1}, {State(2), State(1.9f)}).verdict();
  EXPECT_EQ(close.decision, SyncDecision::kSynchronize);
  EXPECT_NEAR(close.variance_estimate, 1.95, 1e-6);
  EXPECT_THAT(close.reason, HasSubstr("within 5 % of theta"));
  EXPECT_GT(Answered(MakeMonitor(), {1, 1}, {State(2), State(1.7f)}).quanta().quantum, 0);
}

TEST(QuantumMonitor, AsksAllWhenTheMarksAddUpToMoreThanTheta) {
  // Two marks of 1 at 0 + i; theta = 2, so that their weighted sum may be 2.
  Answered even(MakeMonitor(), {1, 1}, {State(0), State(0)});
  EXPECT_TRUE(IsNothing(even.Report(0, 1, 1.5f)));  // 2 and 1.
  EXPECT_TRUE(IsNothing(even.Report(1, 1, 1.5f)));  // 2 and 2.
  const QuantumMove move = even.Report(0, 2, 2.5f);
  ASSERT_TRUE(IsPoll(move));
  EXPECT_EQ(std::get<QuantumPoll>(move).poll, even.poll + 1);
  // Below theta for itself, but the weights are those of the ring.
  Answered uneven(MakeMonitor(), {3, 1}, {State(0), State(0)});
  EXPECT_TRUE(IsNothing(uneven.Report(1, 1, 4.5f)));  // 1 and 5.
  EXPECT_TRUE(IsPoll(uneven.Report(0, 1, 1.1f)));
  // One odd member is far above theta alone.
  Answered odd(MakeMonitor(), {1, 1, 1}, {State(0), State(0), State(0)});
  EXPECT_TRUE(IsNothing(odd.Report(2, 1, 3.5f)));
  EXPECT_TRUE(IsPoll(odd.Report(2, 2, 4.5f)));
  // Who weighs nothing adds nothing.
  Answered weightless(MakeMonitor(), {1, 0, 1}, {State(0), State(0), State(0)});
  EXPECT_TRUE(IsNothing(weightless.Report(1, 1, 1e30f)));
}

TEST(QuantumMonitor, AsksAllWhenOneMemberHasAnotherDirection) {
  Answered answered(MakeMonitor(), {1, 1}, {State(1, 1, kXi), State(1, 1, kXi)});
  EXPECT_TRUE(IsPoll(answered.monitor.OnReport(
      0, {.poll = answered.poll, .number = 1, .state = State(1, 1, kOtherXi)})));
}

TEST(QuantumMonitor, DropsAndCountsWhatCameTooLate) {
  Answered answered(MakeMonitor(), {1, 1}, {State(0), State(0)});
  QuantumMonitor& monitor = answered.monitor;
  EXPECT_TRUE(IsNothing(answered.Report(0, 2, 1.5f)));
  EXPECT_EQ(monitor.dropped(), 0u);
  EXPECT_TRUE(IsNothing(answered.Report(0, 1, 100)));  // Overtaken by number 2.
  EXPECT_TRUE(IsNothing(answered.Report(1, 0, 100)));  // Its answer again.
  EXPECT_EQ(monitor.dropped(), 2u);
  const PollId poll = std::get<QuantumPoll>(answered.Report(0, 3, 100)).poll;
  EXPECT_TRUE(IsNothing(answered.Report(1, 1, 100)));  // Of the poll before.
  EXPECT_EQ(monitor.dropped(), 3u);
  EXPECT_TRUE(IsNothing(monitor.OnReport(0, {.poll = poll, .state = State(0)})));
  EXPECT_TRUE(IsNothing(monitor.OnReport(0, {.poll = poll, .state = State(100)})));
  EXPECT_EQ(monitor.dropped(), 4u);
  std::get<Verdict>(monitor.OnPollDeadline(poll));
  EXPECT_TRUE(IsNothing(monitor.OnReport(1, {.poll = poll, .state = State(0)})));
  EXPECT_EQ(monitor.dropped(), 5u);
}

TEST(QuantumMonitor, SynchronizesIfAnAnswerIsMissingAtTheDeadline) {
  QuantumMonitor monitor = MakeMonitor();
  const PollId poll = monitor.Open(std::vector<float>(3, 1)).poll;
  EXPECT_TRUE(IsNothing(monitor.OnReport(1, {.poll = poll, .state = State(0)})));
  EXPECT_TRUE(IsNothing(monitor.OnPollDeadline(poll - 1)));
  const Verdict verdict = std::get<Verdict>(monitor.OnPollDeadline(poll));
  EXPECT_EQ(verdict.decision, SyncDecision::kSynchronize);
  EXPECT_THAT(verdict.reason, HasSubstr("2 of 3 members did not answer"));
  EXPECT_TRUE(IsNothing(monitor.OnPollDeadline(poll)));
  Answered answered(MakeMonitor(), {1, 1}, {State(0), State(0)});
  EXPECT_TRUE(IsNothing(answered.monitor.OnPollDeadline(answered.poll)));
}

TEST(QuantumMonitor, AStateThatIsNotFiniteOrMalformedIsAnErrorThatNamesTheMember) {
  struct Case {
    float squared_norm;
    StatusCode code;
  };
  for (const Case& c :
       {Case{std::nanf(""), StatusCode::kDataLoss}, Case{-1, StatusCode::kInvalidArgument}}) {
    QuantumMonitor monitor = MakeMonitor();
    const PollId poll = monitor.Open(std::vector<float>(2, 1)).poll;
    const Verdict answer =
        std::get<Verdict>(monitor.OnReport(1, {.poll = poll, .state = State(c.squared_norm)}));
    Answered answered(MakeMonitor(), {1, 1}, {State(0), State(0)});
    for (const Verdict& verdict :
         {answer, std::get<Verdict>(answered.Report(1, 1, c.squared_norm))}) {
      EXPECT_EQ(verdict.decision, SyncDecision::kError);
      EXPECT_EQ(verdict.culprit, 1u);
      EXPECT_THAT(verdict.error, HasCode(c.code));
      EXPECT_THAT(verdict.reason, HasSubstr("member 1"));
    }
  }
}

TEST(QuantumMonitor, TakesEveryoneForAContributorAfterCommit) {
  Answered answered(MakeMonitor(), {1, 1}, {State(1, 1, kXi), State(1, 1, kXi)});
  const Quanta quanta = answered.monitor.Commit();
  EXPECT_EQ(quanta.poll, answered.poll + 1);
  EXPECT_EQ(quanta.xhat, 0);
  EXPECT_EQ(quanta.quantum, 1);
  answered.poll = quanta.poll;
  EXPECT_TRUE(IsNothing(answered.Report(0, 1, 2.5f)));  // Kept: 3 and 1.
  EXPECT_TRUE(IsPoll(answered.Report(1, 1, 1.5f)));
}

TEST(QuantumMonitor, OneMemberHasNothingToReport) {
  Answered answered(MakeMonitor(), {3}, {State(1e6f)});
  EXPECT_EQ(answered.quanta().quantum, kInfinity);
  EXPECT_EQ(answered.monitor.Commit().quantum, kInfinity);
}

TEST(QuantumMonitor, OptionsWithoutABoundPerMemberAreRefused) {
  const auto invalid = HasCode(StatusCode::kInvalidArgument);
  EXPECT_THAT(QuantumMonitor::Make(Options(2, EstimatorKind::kSketch)), invalid);
  EXPECT_THAT(QuantumMonitor::Make(Options(2, EstimatorKind::kExact)), invalid);
  EXPECT_THAT(QuantumMonitor::Make(Options(0)), invalid);
  EXPECT_THAT(QuantumMonitor::Make(Options(-1)), invalid);
  SyncPolicyOptions local = Options();
  local.strategy = Strategy::kLocal;
  EXPECT_THAT(QuantumMonitor::Make(local), invalid);
}

// Two workers at (1, 0) with xi = (1, 0) turn to (0, 1) and (0, -1). No norm grows, Var becomes 1.
TEST(QuantumPolicy, HearsOfDriftsThatTurnApartWithoutGrowing) {
  const double theta = 0.5;
  QuantumMonitor monitor = MakeMonitor(Options(theta));
  std::vector<QuantumWorker> workers(2, QuantumWorker(State(1, 1, kXi)));
  QuantumMove move = monitor.Open(std::vector<float>(2, 1));
  int polls = 0;
  for (int degrees = 0; degrees < 90; ++degrees) {
    const float x = static_cast<float>(std::cos(degrees * M_PI / 180));
    ASSERT_LE(1 - x * x, theta + 0.02) << "at " << degrees << " degrees";  // Var = y².
    for (std::size_t k = 0; k < 2; ++k) {
      if (degrees == 0) continue;
      const auto report = workers[k].AfterStep(State(1, x, kXi));
      if (report.has_value() && IsNothing(move)) move = monitor.OnReport(k, *report);
    }
    while (!IsNothing(move)) {
      if (std::holds_alternative<Verdict>(move)) {
        EXPECT_GT(1 - x * x, 0.9 * theta);
        EXPECT_LE(polls, 6);
        return;
      }
      const QuantumMove now = std::exchange(move, std::monostate());
      if (IsPoll(now)) ++polls;
      for (std::size_t k = 0; k < 2; ++k) {
        const auto said = IsPoll(now) ? workers[k].OnPoll(std::get<QuantumPoll>(now))
                                      : workers[k].OnQuanta(std::get<Quanta>(now));
        if (said.has_value()) move = monitor.OnReport(k, *said);
      }
    }
  }
  FAIL() << "they turned apart and nobody said so";
}

}  // namespace
}  // namespace actors
