#include "tests/sim/quantum_schedule.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/averaging/drift.h"
#include "runtime/base/require.h"

namespace tests {
namespace {

using actors::LocalState;
using actors::PollId;
using actors::Quanta;
using actors::QuantumMove;
using actors::QuantumPoll;
using actors::QuantumReport;
using actors::Verdict;
using actors::XiId;

actors::EstimatorOptions EstimatorOf(const ScheduleOptions& options) {
  return {.kind = options.estimator, .parameters = options.dimension};
}

actors::QuantumMonitor MakeMonitor(const ScheduleOptions& options) {
  return std::move(
      actors::QuantumMonitor::Make({.estimator = EstimatorOf(options), .theta = options.theta})
          .value());
}

DriftMotion MotionOf(const ScheduleOptions& options, int id) {
  // A drift that turns at a norm above theta has been asked about, and found to be common to all.
  return DriftMotion(options.motion, options.dimension, options.step_length, 2 * options.theta,
                     1000 * options.seed + static_cast<std::uint64_t>(id));
}

// The direction of round r is made by its COMMIT.
XiId XiOf(std::uint64_t round) { return {.newer_base = {round + 1, 1}, .older_base = {round, 1}}; }

}  // namespace

ScheduleOptions DrawSchedule(std::uint64_t seed) {
  runtime::SeededRandom random(seed);
  ScheduleOptions options{.seed = seed};
  options.motion = kMotions[random.Below(std::size(kMotions))];
  options.estimator =
      random.Below(4) == 0 ? actors::EstimatorKind::kNaive : actors::EstimatorKind::kLinear;
  options.members = 2 + static_cast<int>(random.Below(7));
  options.dimension = 2 + random.Below(31);
  options.theta = std::pow(10, 6 * random.Fraction() - 3);
  // A round takes about so many steps of a member: drift grows as their root, or as their number.
  const double steps = std::pow(10, 0.3 + 1.7 * random.Fraction());
  const bool walks = options.motion == Motion::kDiffusion || options.motion == Motion::kJumps;
  options.step_length = std::sqrt(options.theta) / (walks ? std::sqrt(steps) : steps);
  options.spread = 1 + 9 * random.Fraction();
  options.jitter = random.Fraction();
  constexpr std::uint64_t kDelays[] = {0, 5, 30, 200, 1000};  // Up to 100 steps.
  options.longest_delay = kDelays[random.Below(std::size(kDelays))];
  options.steps = 400 + options.longest_delay;
  const auto timeout = [&] {
    return random.Below(2) == 0 ? 1'000'000 : 100 + 2 * random.Below(2 * options.longest_delay + 1);
  };
  options.poll_timeout = timeout();
  options.ready_timeout = timeout();
  options.uneven_weights = random.Below(2) == 0;
  options.comings_and_goings = random.Below(2) == 0 ? 0 : static_cast<int>(random.Below(6));
  options.overlap = random.Below(3) == 0;
  options.ring_time = random.Below(500);  // Up to 50 steps.
  return options;
}

std::uint64_t SynchronizationsInLockstep(const ScheduleOptions& options) {
  const std::vector<float> zero(options.dimension);
  std::vector<std::vector<float>> drifts(options.members, zero);
  std::vector<DriftMotion> motions;
  motions.reserve(drifts.size());
  for (int id = 0; id < options.members; ++id) motions.push_back(MotionOf(options, id));
  std::vector<LocalState> states(options.members);
  std::vector<float> xi(options.dimension);
  const std::vector<float> weights(options.members, 1);
  const auto summarizer = actors::MakeSummarizer(EstimatorOf(options)).value();
  const auto estimator = actors::MakeEstimator(EstimatorOf(options)).value();
  std::uint64_t synchronizations = 0;
  XiId xi_id;
  for (std::uint64_t steps = 0; steps < options.steps; steps += drifts.size()) {
    for (std::size_t k = 0; k < drifts.size(); ++k) {
      motions[k].Step(drifts[k]);
      summarizer->Summarize(drifts[k], zero, {.id = xi_id, .values = xi}, states[k]);
    }
    if (estimator->EstimateVariance(states, weights).value() <= options.theta) continue;
    ++synchronizations;
    std::vector<float> mean(options.dimension);
    for (std::vector<float>& drift : drifts) {
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += drift[i] / drifts.size();
      drift = zero;
    }
    xi_id = actors::ComputeUpdateDirection(mean, zero, actors::SquaredDrift(mean, zero), xi)
                ? XiOf(synchronizations)
                : XiId();
  }
  return synchronizations;
}

QuantumSchedule::QuantumSchedule(const ScheduleOptions& options)
    : options_(options),
      random_(options.seed ^ 0x5eed),
      monitor_(MakeMonitor(options)),
      summarizer_(actors::MakeSummarizer(EstimatorOf(options)).value()),
      checker_(options.theta, options.dimension),
      xi_(options.dimension) {}

Outcome QuantumSchedule::Run() {
  for (int id = 0; id < options_.members; ++id) AddWorker();
  ChangeView();
  for (int i = 0; i < options_.comings_and_goings; ++i) {
    At(random_.Below(options_.steps * options_.fastest / options_.members), [this] { ComeOrGo(); });
  }
  while (outcome_.steps < options_.steps && !events_.empty() && outcome_.violation.empty()) {
    const std::function<void()> run = events_.top().run;
    now_ = events_.top().at;
    events_.pop();
    run();
    Check();
  }
  outcome_.dropped = monitor_.dropped();
  return outcome_;
}

void QuantumSchedule::At(std::uint64_t delay, std::function<void()> event) {
  events_.push({.at = now_ + delay, .order = order_++, .run = std::move(event)});
}

void QuantumSchedule::Check() {
  const double margin = checker_.Margin();
  outcome_.margin = std::max(outcome_.margin, margin / options_.theta);
  outcome_.variance = std::max(outcome_.variance, checker_.Variance() / (options_.theta + margin));
  if (checker_.Holds()) return;
  outcome_.violation = "at tick " + std::to_string(now_) + " the variance " +
                       std::to_string(checker_.Variance()) + " is above theta " +
                       std::to_string(options_.theta) + " and the margin " +
                       std::to_string(checker_.Margin());
}

// ---------------------------------------------------------------------------- the membership ----

void QuantumSchedule::AddWorker() {
  const int id = workers_.empty() ? 0 : workers_.rbegin()->first + 1;
  constexpr float kWeights[] = {0, 1, 2, 3.5};
  // The first has weight, so that somebody has.
  const float weight =
      options_.uneven_weights && id > 0 ? kWeights[random_.Below(std::size(kWeights))] : 1;
  const double slowness = 1 + (options_.spread - 1) * random_.Fraction();
  workers_.emplace(id,
                   Worker{.half = actors::QuantumWorker(LocalState()),
                          .motion = MotionOf(options_, id),
                          .weight = weight,
                          .step_ticks = static_cast<std::uint64_t>(options_.fastest * slowness)});
  checker_.member(id).drift = checker_.member(id).known = std::vector<float>(options_.dimension);
  ScheduleStep(id);
}

void QuantumSchedule::ComeOrGo() {
  if (random_.Below(2) == 0 && view_.size() < 8) {
    AddWorker();
    ChangeView();
    return;
  }
  // The first one stays.
  const int id = view_[random_.Below(view_.size())];
  if (id == 0) return;
  workers_.at(id).alive = false;
  At(Delay(), [this] { ChangeView(); });
}

void QuantumSchedule::ChangeView() {
  std::erase_if(workers_, [this](const auto& entry) {
    if (!entry.second.alive) checker_.Remove(entry.first);
    return !entry.second.alive;
  });
  view_.clear();
  std::vector<float> weights;
  float total = 0;
  for (const auto& [id, worker] : workers_) {
    view_.push_back(id);
    weights.push_back(worker.weight);
    total += worker.weight;
  }
  for (const int id : view_) checker_.member(id).weight = workers_.at(id).weight / total;
  ++outcome_.views;
  ++attempt_;
  synchronizing_ = ringing_ = false;
  poll_ = 0;
  checker_.Opened();
  StartPoll(monitor_.Open(weights));
}

// ------------------------------------------------------------------------------- the workers ----

LocalState QuantumSchedule::StateOf(int id) {
  LocalState state;
  const std::vector<float> base(options_.dimension);
  summarizer_->Summarize(checker_.member(id).drift, base,
                         {.id = workers_.at(id).xi_id, .values = xi_}, state);
  return state;
}

void QuantumSchedule::ScheduleStep(int id) {
  const double ticks = workers_.at(id).step_ticks * (1 + options_.jitter * random_.Fraction());
  At(static_cast<std::uint64_t>(ticks), [this, id] { TakeStep(id); });
}

void QuantumSchedule::TakeStep(int id) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || !found->second.alive) return;
  Worker& worker = found->second;
  ++outcome_.steps;
  worker.motion.Step(checker_.member(id).drift);
  std::optional<QuantumReport> report = worker.half.AfterStep(StateOf(id));
  // Whoever trains through a ring says nothing.
  if (worker.mark.empty()) Say(id, std::move(report));
  const int attempt = std::exchange(worker.asked_to_stop, 0);
  if (attempt != 0) At(Delay(), [this, id, attempt] { OnReady(id, attempt); });
  if (attempt != 0 && options_.overlap) worker.mark = checker_.member(id).drift;
  worker.stopped = attempt != 0 && !options_.overlap;
  if (!worker.stopped) ScheduleStep(id);
}

void QuantumSchedule::ToWorker(int id, std::function<void(Worker&)> deliver) {
  Worker& worker = workers_.at(id);
  worker.busy_until = std::max(worker.busy_until, now_ + Delay());
  At(worker.busy_until - now_, [this, id, deliver = std::move(deliver)] {
    const auto found = workers_.find(id);
    if (found != workers_.end() && found->second.alive) deliver(found->second);
  });
}

void QuantumSchedule::Say(int id, std::optional<QuantumReport> report) {
  if (!report.has_value()) return checker_.Silent(id);
  ++messages_;
  if (report->number > 0) checker_.Spoke(id);
  workers_.at(id).last_report = report->number;
  At(Delay(), [this, id, report = *report] { OnReport(id, report); });
}

void QuantumSchedule::OnPoll(int id, const QuantumPoll& poll) {
  Worker& worker = workers_.at(id);
  checker_.Answered(id);
  worker.mark.clear();
  Say(id, worker.half.OnPoll(poll));
  Resume(id);
}

void QuantumSchedule::OnQuanta(int id, Quanta quanta) {
  if (options_.mutant == Mutant::kWatchesTheNorm) quanta.xhat = 0;
  checker_.member(id).holds_marks = quanta.poll == poll_;
  std::optional<QuantumReport> report = workers_.at(id).half.OnQuanta(quanta);
  if (options_.mutant == Mutant::kSilentAtTheMarks) report.reset();
  Say(id, std::move(report));
}

void QuantumSchedule::OnCommit(int id, const Quanta& quanta, XiId xi_id) {
  Worker& worker = workers_.at(id);
  worker.xi_id = xi_id;
  worker.mark.clear();
  checker_.member(id).holds_marks = quanta.poll == poll_;
  std::optional<QuantumReport> report = worker.half.OnCommit(quanta, StateOf(id));
  if (options_.mutant == Mutant::kSilentAtTheMarks) report.reset();
  Say(id, std::move(report));
  Resume(id);
}

void QuantumSchedule::Resume(int id) {
  Worker& worker = workers_.at(id);
  worker.asked_to_stop = 0;
  if (std::exchange(worker.stopped, false)) ScheduleStep(id);
}

// ------------------------------------------------------------------------------- the monitor ----

void QuantumSchedule::OnReport(int id, QuantumReport report) {
  const auto slot = std::find(view_.begin(), view_.end(), id);
  if (slot == view_.end()) return;
  // It counts, and nothing was said after it.
  const bool is_last = report.poll == poll_ && !polling_ && !synchronizing_ &&
                       report.number == workers_.at(id).last_report;
  if (options_.mutant == Mutant::kHearsVoidReports && report.number > 0) report.poll = poll_;
  const QuantumMove move =
      monitor_.OnReport(static_cast<std::size_t>(slot - view_.begin()), report);
  if (is_last && std::holds_alternative<std::monostate>(move)) checker_.Heard(id);
  Apply(move);
}

void QuantumSchedule::Apply(const QuantumMove& move) {
  if (const auto* poll = std::get_if<QuantumPoll>(&move)) StartPoll(*poll);
  if (const auto* quanta = std::get_if<Quanta>(&move)) Publish(*quanta);
  if (const auto* verdict = std::get_if<Verdict>(&move)) {
    if (verdict->decision == actors::SyncDecision::kSynchronize) return Synchronize();
    outcome_.violation = verdict->reason;
  }
}

void QuantumSchedule::StartPoll(const QuantumPoll& poll) {
  polling_ = true;
  messages_ += view_.size();
  for (const int id : view_) {
    ToWorker(id, [this, id, poll](Worker&) { OnPoll(id, poll); });
  }
  At(options_.poll_timeout, [this, poll] {
    const QuantumMove move = monitor_.OnPollDeadline(poll.poll);
    if (!std::holds_alternative<std::monostate>(move)) ++outcome_.late_polls;
    Apply(move);
  });
}

void QuantumSchedule::Publish(const Quanta& quanta) {
  polling_ = false;
  poll_ = quanta.poll;
  std::vector<double> center(xi_.begin(), xi_.end());
  for (double& value : center) value *= quanta.xhat;
  checker_.Judged(std::move(center));
  messages_ += view_.size();
  for (const int id : view_) {
    ToWorker(id, [this, id, quanta](Worker&) { OnQuanta(id, quanta); });
  }
}

void QuantumSchedule::Synchronize() {
  polling_ = false;
  synchronizing_ = true;
  ready_.clear();
  ++attempt_;
  for (const int id : view_) {
    ToWorker(id, [attempt = attempt_](Worker& worker) { worker.asked_to_stop = attempt; });
  }
  At(options_.ready_timeout, [this, attempt = attempt_] { OnReadyDeadline(attempt); });
}

void QuantumSchedule::OnReady(int id, int attempt) {
  if (!synchronizing_ || ringing_ || attempt != attempt_) return;
  ready_.insert(id);
  if (ready_.size() == view_.size()) RunRing();
}

void QuantumSchedule::OnReadyDeadline(int attempt) {
  if (!synchronizing_ || ringing_ || attempt != attempt_) return;
  if (!ready_.empty()) return RunRing();
  At(options_.ready_timeout, [this, attempt] { OnReadyDeadline(attempt); });
}

void QuantumSchedule::RunRing() {
  if (!options_.overlap) return Commit();
  ringing_ = true;
  At(options_.ring_time, [this, attempt = attempt_] {
    if (ringing_ && attempt == attempt_) Commit();
  });
}

void QuantumSchedule::Commit() {
  synchronizing_ = ringing_ = false;
  const std::vector<float> zero(options_.dimension);
  std::vector<float> mean = zero;
  float total = 0;
  for (const int id : ready_) total += workers_.at(id).weight;
  for (const int id : ready_) {
    std::vector<float>& drift = checker_.member(id).drift;
    const std::vector<float>& mark = workers_.at(id).mark;
    const std::vector<float> averaged = mark.empty() ? drift : mark;
    const float share = total > 0 ? workers_.at(id).weight / total : 1.0f / ready_.size();
    for (std::size_t i = 0; i < mean.size(); ++i) {
      mean[i] += share * averaged[i];
      drift[i] -= averaged[i];
    }
    if (drift != zero) ++outcome_.kept;
  }
  ++round_;
  const XiId xi_id =
      actors::ComputeUpdateDirection(mean, zero, actors::SquaredDrift(mean, zero), xi_)
          ? XiOf(round_)
          : XiId();
  ++outcome_.synchronizations;
  outcome_.messages.push_back(static_cast<double>(std::exchange(messages_, 0)) / view_.size());
  const Quanta quanta = monitor_.Commit();
  poll_ = quanta.poll;
  checker_.Committed();
  for (const int id : view_) {
    // Who was passed over may not know the direction of the round that it missed.
    const bool knows = ready_.contains(id) || random_.Below(2) == 0;
    if (!ready_.contains(id)) ++outcome_.passed_over;
    ToWorker(id, [this, id, quanta, xi_id = knows ? xi_id : XiId()](Worker&) {
      OnCommit(id, quanta, xi_id);
    });
  }
}

}  // namespace tests
