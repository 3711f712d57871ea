// What a report knows of one run, from whatever it was read: the events in a run's folder, or a
// line of a sweep.
#ifndef RONDO_APPS_RONDO_REPORT_TRIAL_H_
#define RONDO_APPS_RONDO_REPORT_TRIAL_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/run_result.h"
#include "runtime/base/error.h"

namespace apps::report {

// For what was not told; charts have no place for it.
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct Evaluation {
  double step = 0;
  double accuracy = 0;        // 0..1.
  double bytes = kUnknown;    // Sent by all until then, without evaluation.
  double seconds = kUnknown;  // Since the first step.
};

// One step or synchronization of which an event tells.
struct TracePoint {
  double step = 0;
  double variance = kUnknown;  // H(S) before the synchronization.
  double theta = kUnknown;
};

struct Synchronization {
  double step = 0;
  double seconds = 0;
  double interval = 0;  // Steps since the one before.
};

// What happened to the membership, or to a round.
struct Incident {
  enum class Kind { kJoin, kLeave, kDeath, kAbort, kRollback };
  Kind kind = Kind::kJoin;
  double step = 0;
  double seconds = 0;
  std::uint32_t slot = 0;  // Of joins, leaves and deaths.
  std::string text;        // The node and, of deaths and aborts, why.
};

// Steps from one synchronization to the next.
struct Intervals {
  std::uint64_t count = 0;
  double median = kUnknown;
  double p10 = kUnknown;
  double p90 = kUnknown;
};

enum class TrialState {
  kDone,
  kFailed,
  kUnfinished,  // Its events have no end: it is on, or it was killed.
};

struct Trial {
  std::string name;  // The run's id, else where it was read from.
  // What it was asked for, "section.key" to a value: of a run all keys, of a sweep's line those of
  // its point.
  std::map<std::string, std::string> settings;
  // Equal for runs that differ in their seed only.
  std::string point;
  // Settings of the point whose interval it took for its tau; empty for none.
  std::map<std::string, std::string> matched;
  std::uint64_t seed = 0;
  TrialState state = TrialState::kUnfinished;
  std::optional<runtime::UserError> error;  // Why it failed.
  std::optional<double> target;             // Accuracy, 0..1.
  std::optional<actors::RunResult> result;
  std::vector<Evaluation> curve;
  std::optional<Intervals> intervals;
  // Only of runs, and empty for lines of a sweep.
  std::vector<TracePoint> trace;
  std::vector<Synchronization> syncs;
  std::vector<Incident> incidents;
  std::vector<std::string> notes;
  double last_second = 0;  // Of its events.

  std::optional<double> ReachedStep() const {
    if (!result.has_value() || !result->reached_step.has_value()) return std::nullopt;
    return static_cast<double>(*result->reached_step);
  }
};

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_TRIAL_H_
