// What each verb does, one file each. All run on the main thread and return the exit code of a verb
// that did what it was asked for: 0, or 128+n if a signal ended it in order. An error is returned,
// not printed: main prints it in the format that was asked for.
#ifndef RONDO_APPS_RONDO_VERBS_H_
#define RONDO_APPS_RONDO_VERBS_H_

#include <absl/status/statusor.h>

#include "apps/rondo/options.h"
#include "apps/rondo/output.h"

namespace apps {

absl::StatusOr<int> Run(const RunOptions& options, Output& output);
absl::StatusOr<int> Head(const HeadOptions& options, Output& output);
absl::StatusOr<int> Join(const JoinOptions& options, Output& output);
absl::StatusOr<int> Status(const StatusOptions& options, Output& output);
absl::StatusOr<int> Check(const CheckOptions& options, Output& output);
absl::StatusOr<int> Down(const DownOptions& options, Output& output);
absl::StatusOr<int> Stop(const StopOptions& options, Output& output);
absl::StatusOr<int> Runs(const RunsOptions& options, Output& output);
absl::StatusOr<int> Show(const ShowOptions& options, Output& output);
absl::StatusOr<int> Leave(const LeaveOptions& options, Output& output);
absl::StatusOr<int> Evaluate(const EvaluateOptions& options, Output& output);
absl::StatusOr<int> BenchAllreduce(const BenchAllreduceOptions& options, Output& output);
absl::StatusOr<int> Version(const VersionOptions& options, Output& output);
absl::StatusOr<int> Help(const HelpOptions& options, Output& output);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_VERBS_H_
