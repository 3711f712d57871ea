// fda-opt's threshold, which tunes itself (arXiv 2505.04535, by its public code): a round lasts
// until the estimate passes theta, or for max_epochs epochs of a shard. The first lasts one epoch;
// after a round of E epochs at whose end the variance was Var, exactly,
//
//   theta = (max_epochs / 2) / E · Var,
//
// which holds rounds at max_epochs / 2 epochs as long as the variance grows evenly. What the mean
// becomes is a server optimizer's (server_optimizer.h). The code tests once an epoch; here, as in
// fda, it is after each step, so that E is a fraction. Pure.
#ifndef RONDO_ACTORS_AVERAGING_FDA_OPT_H_
#define RONDO_ACTORS_AVERAGING_FDA_OPT_H_

#include <cstdint>

#include "actors/averaging/sync_policy.h"

namespace actors {

struct FdaOptOptions {
  std::uint64_t epoch_steps = 1;       // Steps in one epoch of a shard; at least 1.
  double max_epochs = 10;              // Above 0.
  std::uint64_t longest_interval = 0;  // Steps of a round at most, whatever the epochs; 0: no cap.
};

class FdaOptThreshold {
 public:
  explicit FdaOptThreshold(const FdaOptOptions& options);

  // Of the present round; an infinite theta in the first, and after one in which copies did not
  // differ.
  const SyncRule& rule() const { return rule_; }
  // A round of `steps` steps ended, at whose end the members' variance was `variance`. Without
  // steps, or if that is no number, nothing changes.
  void OnRound(std::uint64_t steps, double variance);

 private:
  const FdaOptOptions options_;
  const std::uint64_t longest_;  // Steps of a round.
  SyncRule rule_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_FDA_OPT_H_
