// A line of a sweep's results.jsonl to a Trial. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_SWEEP_READER_H_
#define RONDO_APPS_RONDO_REPORT_SWEEP_READER_H_

#include <absl/status/statusor.h>

#include <string>

#include "apps/rondo/report/trial.h"

namespace apps::report {

// `line` without its end. kInvalidArgument: no such object; kFailedPrecondition: of another schema
// than 1. Unknown members are ignored.
absl::StatusOr<Trial> ReadSweepLine(const std::string& line);

// Whether `line` is of a sweep, and not an event of a run.
bool IsSweepLine(const std::string& line);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_SWEEP_READER_H_
