// The monitor half of the policy `quantum` (quantum_marks.h): what it knows of each member, when it
// asks all of them, and what it decides from their answers. Pure; used by the thread of the monitor
// actor, which owns the deadline of a poll.
#ifndef RONDO_ACTORS_AVERAGING_QUANTUM_MONITOR_H_
#define RONDO_ACTORS_AVERAGING_QUANTUM_MONITOR_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "actors/averaging/estimator.h"
#include "actors/averaging/quantum_marks.h"
#include "actors/averaging/sync_policy.h"

namespace actors {

// What the caller does next: nothing, send a poll or marks to all members, or act on a verdict,
// which says kSynchronize or kError (with the culprit's index), never kContinue.
using QuantumMove = std::variant<std::monostate, QuantumPoll, Quanta, Verdict>;

class QuantumMonitor {
 public:
  // kInvalidArgument for another strategy than fda, for sketch and exact, whose states do not say
  // what a member adds to the bound, and for theta = 0, which synchronizes at every step by rule
  // and so needs a barrier.
  static absl::StatusOr<QuantumMonitor> Make(const SyncPolicyOptions& options);

  // A view opens, or the round goes on after a synchronization that failed: ask all members, in
  // slot order, whose weights have passed CheckWeights. Nothing that was known counts any more.
  QuantumPoll Open(std::span<const float> weights);
  // Right before Commit, where no drift is left that the old weights were for: of the same members.
  void SetWeights(std::span<const float> weights);
  // Above 0, may be infinite. Before the first Open, or right before a Commit, whose marks are the
  // first for it.
  void SetTheta(double theta);
  // The marks that COMMIT carries.
  Quanta Commit();

  QuantumMove OnReport(std::size_t member, const QuantumReport& report);
  // The deadline of `poll` has passed; void unless that poll is still open.
  QuantumMove OnPollDeadline(PollId poll);

  // Reports that came too late: of an older poll, overtaken by a later one, or after a verdict.
  std::uint64_t dropped() const { return dropped_; }

 private:
  enum class Phase { kStopped, kPolling, kWatching };

  // Of one member, under the last poll or COMMIT.
  struct Member {
    float weight = 0;
    bool answered = false;
    LocalState answer;
    std::uint64_t number = 0;           // Of its last report.
    std::optional<QuantumMarks> marks;  // kWatching.
    double bound = 0;                   // b_k: phi_k is not above it, as far as is known.
  };

  QuantumMonitor(double theta, std::unique_ptr<Estimator> estimator)
      : theta_(theta), estimator_(std::move(estimator)) {}

  QuantumPoll StartPoll();
  QuantumMove Watch(Member& member, const QuantumReport& report);
  QuantumMove JudgeAnswers();
  // The quantum that spends `slack` in this sub-round.
  double QuantumOf(double slack) const;
  void SetMarks(const Quanta& quanta);
  Verdict Synchronize(double estimate, std::string reason);
  Verdict Error(const absl::Status& error, std::size_t culprit);

  double theta_;
  std::unique_ptr<Estimator> estimator_;
  Phase phase_ = Phase::kStopped;
  PollId poll_ = 0;
  std::vector<Member> members_;  // In slot order.
  double total_weight_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_QUANTUM_MONITOR_H_
