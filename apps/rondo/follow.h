// Follows a run to its end: shows its events, passes the first signal on, reports lost workers.
#ifndef RONDO_APPS_RONDO_FOLLOW_H_
#define RONDO_APPS_RONDO_FOLLOW_H_

#include <absl/status/statusor.h>

#include "actors/run_result.h"
#include "apps/rondo/client.h"
#include "apps/rondo/progress.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/worker_pool.h"

namespace apps {

struct FollowParts {
  Client& client;
  Progress& progress;
  const StopSignals& signals;
  // The workers that this process started: then a signal stops the run. Null: a signal detaches.
  WorkerPool* workers = nullptr;
};

// The run's result, or why it failed; HEAD_LOST, exit 3, when the head is gone. Nothing: a signal
// detached this follower, and the run goes on.
absl::StatusOr<std::optional<actors::RunResult>> Follow(const FollowParts& parts);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_FOLLOW_H_
