// From paths to trials: the one place of a report that opens files.
#ifndef RONDO_APPS_RONDO_REPORT_READ_TRIALS_H_
#define RONDO_APPS_RONDO_REPORT_READ_TRIALS_H_

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

#include "apps/rondo/report/trial.h"

namespace apps::report {

// Every run that `paths` name, in their order, each file once. A path is a run's folder, its
// metrics.jsonl, a sweep's folder, or its results.jsonl. Files are read line by line; a last line
// without an end that cannot be read is what a crash leaves, and is passed over.
//
// Errors: FILE_NOT_FOUND, exit 6; FILE_UNREADABLE, exit 8, with file and line if it is a line's
// fault; SCHEMA_UNKNOWN, exit 7: a sweep of a later version.
absl::StatusOr<std::vector<Trial>> ReadTrials(const std::vector<std::string>& paths);

// Calls `take` with each line of `stream`, without its end, until it returns an error; `is_whole`
// is false for a last line that has no end. Empty lines are passed over, but counted. The error of
// `take`, or of a line longer than `most` bytes, comes with the line's number, from 1: "line 7: ".
absl::Status ForEachLine(
    std::istream& stream, std::size_t most,
    absl::FunctionRef<absl::Status(const std::string& line, bool is_whole)> take);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_READ_TRIALS_H_
