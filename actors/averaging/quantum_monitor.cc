#include "actors/averaging/quantum_monitor.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

// A sub-round that starts with slack s ends, about, when the members have passed marks worth
// (1 - 1/2)s together, and leaves at most half of it: five sub-rounds reach kLeastSlack.
constexpr double kQuantumOfSlack = 0.5;
// Below this share of theta another sub-round costs more messages than the steps it would win.
constexpr double kLeastSlack = 0.05;

}  // namespace

absl::StatusOr<QuantumMonitor> QuantumMonitor::Make(const SyncPolicyOptions& options) {
  RETURN_IF_ERROR(CheckSyncPolicyOptions(options));
  const EstimatorKind kind = options.estimator.kind;
  if (!WatchesDrifts(options.strategy) ||
      (kind != EstimatorKind::kNaive && kind != EstimatorKind::kLinear)) {
    return absl::InvalidArgumentError(
        "decision quantum needs the strategy fda and the estimator naive or linear");
  }
  if (options.theta == 0) {
    return absl::InvalidArgumentError("decision quantum needs a theta above 0");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Estimator> estimator, MakeEstimator(options.estimator));
  return QuantumMonitor(options.theta, std::move(estimator));
}

QuantumPoll QuantumMonitor::Open(std::span<const float> weights) {
  members_.assign(weights.size(), Member{});
  SetWeights(weights);
  return StartPoll();
}

void QuantumMonitor::SetWeights(std::span<const float> weights) {
  REQUIRE(weights.size() == members_.size());
  total_weight_ = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    members_[k].weight = weights[k];
    total_weight_ += weights[k];
  }
  REQUIRE(total_weight_ > 0);
}

void QuantumMonitor::SetTheta(double theta) {
  REQUIRE(theta > 0);
  theta_ = theta;
}

Quanta QuantumMonitor::Commit() {
  const Quanta quanta = {.poll = ++poll_, .xhat = 0, .quantum = QuantumOf(theta_)};
  // Whoever keeps drift beyond its first mark says so as soon as it has these.
  for (Member& member : members_) member.answer = {};
  SetMarks(quanta);
  return quanta;
}

QuantumMove QuantumMonitor::OnReport(std::size_t member, const QuantumReport& report) {
  REQUIRE(member < members_.size());
  Member& reporter = members_[member];
  const bool is_answer = phase_ == Phase::kPolling && !reporter.answered;
  const bool is_news = phase_ == Phase::kWatching && report.number > reporter.number;
  if (report.poll != poll_ || !(is_answer || is_news)) {
    ++dropped_;
    return std::monostate();
  }
  if (const absl::Status status = estimator_->CheckState(report.state); !status.ok()) {
    return Error(status, member);
  }
  if (is_news) return Watch(reporter, report);
  reporter.answered = true;
  reporter.answer = report.state;
  const bool all = std::all_of(members_.begin(), members_.end(),
                               [](const Member& other) { return other.answered; });
  return all ? JudgeAnswers() : QuantumMove();
}

QuantumMove QuantumMonitor::OnPollDeadline(PollId poll) {
  if (phase_ != Phase::kPolling || poll != poll_) return std::monostate();
  const auto missing = std::count_if(members_.begin(), members_.end(),
                                     [](const Member& member) { return !member.answered; });
  return Synchronize(
      0, absl::StrCat(missing, " of ", members_.size(), " members did not answer poll ", poll));
}

QuantumPoll QuantumMonitor::StartPoll() {
  phase_ = Phase::kPolling;
  for (Member& member : members_) member.answered = false;
  return {.poll = ++poll_};
}

QuantumMove QuantumMonitor::Watch(Member& member, const QuantumReport& report) {
  member.number = report.number;
  member.bound = member.marks->Above(member.marks->Phi(report.state));
  double sum = 0;
  for (const Member& other : members_) {
    if (other.weight != 0) sum += other.weight / total_weight_ * other.bound;
  }
  // The test is on the sum: a rule "everyone within theta" is broken by one odd member.
  if (sum <= theta_) return std::monostate();
  return StartPoll();
}

QuantumMove QuantumMonitor::JudgeAnswers() {
  std::vector<LocalState> states;
  std::vector<float> weights;
  for (const Member& member : members_) {
    states.push_back(member.answer);
    weights.push_back(member.weight);
  }
  const absl::StatusOr<double> estimate = estimator_->EstimateVariance(states, weights);
  REQUIRE(estimate.ok());  // Each state was checked as it came, the weights by the caller.
  if (*estimate > theta_) {
    return Synchronize(*estimate,
                       absl::StrCat("variance estimate ", *estimate, " > theta ", theta_));
  }
  const double slack = theta_ - *estimate;
  if (slack < kLeastSlack * theta_) {
    return Synchronize(*estimate, absl::StrCat("variance estimate ", *estimate, " is within ",
                                               100 * kLeastSlack, " % of theta ", theta_));
  }
  const GlobalState mean = WeightedMean(states, weights);
  const Quanta quanta = {.poll = poll_,
                         .xhat = mean.common_direction ? mean.projection : 0.0,
                         .quantum = QuantumOf(slack)};
  SetMarks(quanta);
  return quanta;
}

double QuantumMonitor::QuantumOf(double slack) const {
  return members_.size() == 1 ? std::numeric_limits<double>::infinity() : kQuantumOfSlack * slack;
}

void QuantumMonitor::SetMarks(const Quanta& quanta) {
  phase_ = Phase::kWatching;
  for (Member& member : members_) {
    member.number = 0;
    member.marks.emplace(quanta, member.answer);
    member.bound = member.marks->First();
  }
}

Verdict QuantumMonitor::Synchronize(double estimate, std::string reason) {
  phase_ = Phase::kStopped;
  return {.decision = SyncDecision::kSynchronize,
          .variance_estimate = estimate,
          .reason = std::move(reason)};
}

Verdict QuantumMonitor::Error(const absl::Status& error, std::size_t culprit) {
  phase_ = Phase::kStopped;
  std::string reason = absl::StrCat("member ", culprit, ": ", error.message());
  return {.decision = SyncDecision::kError,
          .reason = reason,
          .error = absl::Status(error.code(), reason),
          .culprit = culprit};
}

}  // namespace actors
