// strategy.theta = "auto": theta such that synchronizing takes a given share of the time.
//
// If a synchronization stops training for S seconds, a step takes t seconds, and the share wanted
// is b, then S / (S + n t) = b at an interval of
//
//   n* = S (1 - b) / (b t)   steps (the aim).
//
// While theta is being chosen there is none: a round ends after a given number of steps, first a
// few, then the aim as last measured, at most four times as many as the round before. As soon as
// two rounds were within a quarter of their aim, theta is the larger of the variances at their
// ends, each times aim / steps (the variance of diffusing copies grows with the steps,
// algorithm.md 2). Then theta is held: FDA spends the intervals where the drift is, and a theta
// that followed the interval would be periodic averaging. It is chosen again when the aim or the
// number of members has changed by half. Pure.
#ifndef RONDO_ACTORS_AVERAGING_THETA_TUNER_H_
#define RONDO_ACTORS_AVERAGING_THETA_TUNER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "actors/averaging/sync_policy.h"

namespace actors {

// What one round took, without tests, that nothing disturbed: no change of members, no second
// attempt. So never the first of a view, which pays for connections.
struct RoundTiming {
  std::uint64_t steps = 0;       // >= 1.
  double train_seconds = 0;      // From the start of its first step to the decision.
  double stop_seconds = 0;       // From the decision to COMMIT.
  double variance_estimate = 0;  // At the decision.
  std::size_t members = 0;
};

struct ThetaTunerOptions {
  double budget = 0.15;                // The share of time, above 0 and below 1.
  std::uint64_t longest_interval = 1;  // Steps: the aim's cap; at least 1.
};

class ThetaTuner {
 public:
  static constexpr std::uint64_t kShortestInterval = 4;
  static constexpr std::uint64_t kFirstInterval = 8;
  static constexpr double kChange = 1.5;

  explicit ThetaTuner(const ThetaTunerOptions& options);

  // What holds now: an infinite theta while it is being chosen, or where copies do not differ.
  const SyncRule& rule() const { return rule_; }
  // Why the rule is another one now, for people; empty if it is not, or if only the interval of a
  // round is, while theta is being chosen.
  std::string OnRound(const RoundTiming& round);

 private:
  static constexpr double kNoTheta = std::numeric_limits<double>::infinity();

  double Aim() const;
  std::string Measure(const RoundTiming& round);
  std::string Choose(std::size_t members);
  std::string BeginAgain(std::string_view reason, double aim);

  const ThetaTunerOptions options_;
  SyncRule rule_;
  bool holding_ = false;
  std::deque<RoundTiming> recent_;  // The last three.
  std::vector<double> thetas_;      // What each round near its aim would choose.
  int measured_ = 0;                // Rounds since the choice began.
  double aim_ = 0;                  // Of the choice that is held, in steps.
  std::size_t members_ = 0;         // Then.
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_THETA_TUNER_H_
