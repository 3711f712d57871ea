// When the members synchronize: a worker half that says what to do at a step boundary, and a
// monitor half that turns what the members said into a decision. Both are pure.
//
// `fda` reports a state after every step and synchronizes when the estimate passes theta (the
// paper's Algorithm 1); `fda-opt` is the same with a theta that follows from the rounds
// (fda_opt.h). `synchronous`, `local` and `clock` are fixed schedules: a worker answers READY
// unasked when its step is due. Another way to decide (algorithm.md 7.1) is another pair of halves.
// What the mean becomes then is another part (server_optimizer.h): `fedavg`, `fedavgm` and
// `fedadam` are a fixed schedule of so many epochs of a shard, `diloco` one of tau steps.
//
// `qsr` (the quadratic synchronization rule, arXiv 2310.14423) is a fixed schedule whose rounds
// grow as rates fall: max(tau, floor((qsr_alpha / eta)²)) steps, eta being the rate of the first of
// them, and in a warm-up that at its end: else rounds would be the longest where replicas move
// fastest apart.
//
// `clock` synchronizes as soon as sum eta_t² >= tau · eta_0² over the steps since the last
// synchronization: where workers diffuse, which is what fda measures, that sum is the variance but
// for a constant. It has no states and asks nobody, and so tells what fda's states are worth. Its
// workers decide for themselves, each on its machine, and have to come to the same step: the sum is
// one of LearningRateFactor's squares in order of the steps, whose bits are equal everywhere.
#ifndef RONDO_ACTORS_AVERAGING_SYNC_POLICY_H_
#define RONDO_ACTORS_AVERAGING_SYNC_POLICY_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "actors/averaging/estimator.h"
#include "actors/averaging/learning_rate.h"
#include "actors/averaging/local_state.h"

namespace actors {

enum class Strategy {
  kFda,
  kSynchronous,
  kLocal,
  kClock,
  kQsr,
  kFedAvg,
  kFedAvgM,
  kFedAdam,
  kDiloco,
  kFdaOpt,
};

// Whether the drifts decide, by fda's trigger, so that workers report states.
bool WatchesDrifts(Strategy strategy);
// Whether a round is so many epochs long.
bool CountsEpochs(Strategy strategy);
// Whether SyncPolicyOptions::tau has a meaning.
bool NeedsTau(Strategy strategy);

struct SyncPolicyOptions {
  Strategy strategy = Strategy::kFda;
  EstimatorOptions estimator;  // fda and fda-opt.
  // fda: the variance that is tolerated; 0 synchronizes after every step.
  double theta = 0;
  // fda, clock: steps between two synchronizations at most; 0 = no cap.
  std::uint64_t max_interval = 0;
  // local, diloco: steps between two synchronizations; clock: those that it would be at the full
  // rate; qsr: the fewest.
  std::uint64_t tau = 1;
  double qsr_alpha = 0;  // qsr; in units of the rate.
  // fedavg, fedavgm, fedadam: epochs in a round; fda-opt: at most; of one of so many even shards of
  // the samples. The shards are those of the members that were asked for: a round is as long for
  // whoever is there.
  double epochs = 1;
  std::uint64_t samples = 1;
  std::uint64_t shards = 1;
  std::uint64_t batch = 1;           // Samples of a step.
  LearningRateSchedule schedule;     // clock, qsr.
  std::uint64_t max_steps = 1;       // The run ends with a synchronization at this step.
  std::uint64_t evaluate_every = 0;  // Steps; 0 = never.
};

// Of the largest shard, rounded up to whole batches.
std::uint64_t StepsInEpoch(const SyncPolicyOptions& options);
// kInvalidArgument names the option and its range.
absl::Status CheckSyncPolicyOptions(const SyncPolicyOptions& options);

// theta = 4.91e-5 · d · (learning_rate / 1e-3)²: the paper's guideline for 0.5 Gbit/s, scaled with
// the square of the learning rate, as the variance of diffusing workers is.
double GuidelineTheta(std::size_t parameters, double learning_rate);

// Where a run stands between two steps. Steps count from 1; 0 is before the first.
struct Boundary {
  std::uint64_t step = 0;                         // The last step that was taken.
  std::uint64_t steps_since_synchronization = 0;  // Of the run, by the monitor's count.
};

// Whether the model is tested at this boundary. If it also synchronizes, the new base is tested.
bool EvaluationDue(const SyncPolicyOptions& options, const Boundary& boundary);

enum class BoundaryAction {
  kTrainOn,             // Take the next step at once.
  kReport,              // Send the local state and wait for the decision.
  kReadyToSynchronize,  // Send READY unasked, attempt 0, and wait for START.
  kReadyToEvaluate,     // The same, for an evaluation.
};

// The worker half.
class WorkerPolicy {
 public:
  virtual ~WorkerPolicy() = default;

  // Training thread.
  virtual BoundaryAction AtBoundary(const Boundary& boundary) = 0;
  // Whether kReport can be the answer, so that the worker needs a Summarizer and xi.
  virtual bool Reports() const = 0;
};

enum class SyncDecision { kContinue, kSynchronize, kError };

struct Verdict {
  SyncDecision decision = SyncDecision::kContinue;
  double variance_estimate = 0;  // H, always finite; 0 for fixed schedules and for kError.
  std::string reason;            // Why, for people; with numbers.
  absl::Status error;            // kError: kDataLoss (diverged) or kInvalidArgument (malformed).
  std::optional<std::size_t> culprit;  // kError: index into `states`, where one member is to blame.
};

// When fda synchronizes.
struct SyncRule {
  double theta = 0;                // The variance that is tolerated; may be infinite.
  std::uint64_t max_interval = 0;  // Steps between two synchronizations at most; 0 = no cap.
};

// What the monitor half decides about, one seq at a time.
struct Ballot {
  Boundary boundary;
  // The run ends here for a reason of its own (target reached, stop asked): synchronize.
  bool ending = false;
  // One of each member of the view, in slot order; empty for fixed schedules.
  std::span<const LocalState> states;
  std::span<const float> weights;  // Those of the ring, in the same order.
  std::optional<SyncRule> rule;    // fda: in place of the options' own (theta_tuner.h).
};

// The monitor half. Called when all members of the view have reported, or are READY.
class MonitorPolicy {
 public:
  virtual ~MonitorPolicy() = default;

  virtual Verdict Decide(const Ballot& ballot) const = 0;
  // Of the options; of a fixed schedule none.
  virtual SyncRule rule() const { return {}; }
};

absl::StatusOr<std::unique_ptr<WorkerPolicy>> MakeWorkerPolicy(const SyncPolicyOptions& options);
absl::StatusOr<std::unique_ptr<MonitorPolicy>> MakeMonitorPolicy(const SyncPolicyOptions& options);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_SYNC_POLICY_H_
