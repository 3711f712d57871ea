// What a sweep has found: one line of results.jsonl for each run that has ended, and what follows
// from them. Pure.
//
// A run that failed, or missed the target, stands there like the others and is counted in every
// summary.
#ifndef RONDO_ACTORS_SWEEP_SWEEP_RESULTS_H_
#define RONDO_ACTORS_SWEEP_SWEEP_RESULTS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/run_event.h"
#include "actors/run_result.h"
#include "actors/sweep/sweep_plan.h"
#include "runtime/base/error.h"

namespace actors {

struct SweepEvaluation {
  std::uint64_t step = 0;
  double accuracy = 0;  // 0..1.
  std::optional<double> loss;
  std::uint64_t bytes = 0;  // Sent by then by all, without those of evaluation.
  double t = 0;             // Seconds since the first step.
};

// Steps between two synchronizations.
struct SweepIntervals {
  std::uint64_t count = 0;
  double p10 = 0;
  double median = 0;
  double p90 = 0;
};

struct SweepLine {
  SweepSettings point;
  std::uint64_t seed = 0;
  std::optional<SweepSettings> matched;  // The fda point whose interval is its tau.
  std::optional<std::uint64_t> tau;      // That interval, in steps.
  std::string identity;                  // IdentityOf its config.
  std::string folder;                    // Of its files, relative to the sweep's; "" if not here.
  std::optional<double> target;          // run.target_accuracy.
  std::optional<RunResult> result;       // Exactly one of the two is set.
  std::optional<runtime::UserError> error;
  std::vector<SweepEvaluation> curve;  // In order of step.
  SweepIntervals intervals;
};

// {"schema":1,"point":{...},...} on one line, without its end.
std::string ToJson(const SweepLine& line);
// kInvalidArgument: no such object; kFailedPrecondition: of another schema than 1.
absl::StatusOr<SweepLine> SweepLineFromJson(std::string_view text);

// A JSON object.
std::string ToJson(const SweepSettings& settings);

// The lines of a results.jsonl. A torn last line is what a crash leaves, and is not there; `whole`,
// if not null, becomes the number of bytes before it. DATA_CORRUPT, exit 8, with `name` and line;
// SCHEMA_UNKNOWN, exit 7.
absl::StatusOr<std::vector<SweepLine>> ReadSweepLines(std::string_view text,
                                                      const std::string& name,
                                                      std::size_t* whole = nullptr);

// The last line of each run, in order of the first: a run that failed and was made again, or whose
// config has changed since, stands there more than once.
std::vector<SweepLine> LatestOf(const std::vector<SweepLine>& lines);

// What a run told while it went on, as --jsonl prints it; other lines are not looked at. Sets
// result or error, curve and intervals of `line`; RUN_LOST if the text has no end.
void TakeRunOutput(std::string_view jsonl, SweepLine& line);

// Linear between neighbours. `sorted` rises and is not empty; 0 <= share <= 1.
double QuantileOf(const std::vector<double>& sorted, double share);
// Median, least and most of what runs of one point came to. None: no run has it.
struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};
std::optional<Spread> SpreadOf(std::vector<double> values);

struct SweepSummary {
  SweepSettings point;
  std::optional<SweepSettings> matched;
  std::optional<double> target;
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  std::uint64_t reached = 0;  // The target.
  std::optional<Spread> steps, syncs, interval, bytes, bytes_paper, accuracy, seconds;
  std::optional<Spread> tau;  // Where it was matched.
};

// By point, in order of first appearance. Steps are those to the target where it was reached, else
// all; bytes without evaluation, which the paper does not charge.
std::vector<SweepSummary> Summarize(const std::vector<SweepLine>& lines);

// One line per run, the first with the names of the columns.
std::string ToCsv(const std::vector<SweepLine>& lines);

}  // namespace actors

#endif  // RONDO_ACTORS_SWEEP_SWEEP_RESULTS_H_
