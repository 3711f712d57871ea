// What happens during a run, for the progress line, metrics.jsonl and --jsonl.
#ifndef RONDO_ACTORS_RUN_EVENT_H_
#define RONDO_ACTORS_RUN_EVENT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/flight_recorder.h"
#include "actors/run_result.h"
#include "runtime/base/error.h"

namespace actors {

// Every worker took step `step` (lockstep).
struct StepEvent {
  std::uint64_t step = 0;
  std::optional<double> train_loss;  // Mean over the workers.
  // H(S) and the threshold it was compared with; none for strategies without a monitor.
  std::optional<double> variance_estimate;
  std::optional<double> theta;
  std::uint32_t workers = 0;
  std::uint64_t syncs = 0;
  std::uint64_t bytes_total = 0;  // Sent so far by all, without evaluation.
};

// How one worker drifted in a round; null where it cannot be told (averaging/drift_telemetry.h).
struct DriftOfWorker {
  std::uint32_t slot = 0;
  std::optional<double> norm;              // ‖u‖, u = its model before the ring - the base.
  std::optional<double> cosine;            // To the mean drift; -1..1.
  std::optional<double> cosine_to_others;  // To the mean drift of the others.
  std::optional<double> z;  // How far off it is, in robust deviations; from 3 on, far.
  bool outlier = false;     // It has been named.
};

// A synchronization was committed.
struct SyncEvent {
  std::uint64_t step = 0;
  std::uint64_t syncs = 0;                  // This one included.
  std::uint64_t interval = 0;               // Steps since the one before.
  std::optional<double> variance_estimate;  // That asked for it.
  std::optional<double> theta;
  std::uint32_t contributors = 0;
  double seconds = 0;            // From PREPARE to COMMIT.
  double ring_seconds = 0;       // Of that, the ring of the slowest contributor.
  std::uint64_t ring_bytes = 0;  // Sent for it by all contributors.
  std::uint64_t bytes_total = 0;
  // In the round before this one, as they were told of when this one began; by slot.
  std::vector<DriftOfWorker> drifts;
  std::optional<double> variance_added;  // Overlap: while the ring before this one ran.
  // Of the predictions on batches since the synchronization before, each before the step on it.
  std::optional<double> prequential_error;
};

struct EvaluationEvent {
  std::uint64_t step = 0;
  double accuracy = 0;  // 0..1.
  std::optional<double> test_loss;
  std::uint64_t samples = 0;
  std::string evaluated;  // run.evaluate.
};

// The membership changed; `workers` is the number after it.
struct JoinEvent {
  std::uint64_t step = 0;
  std::uint32_t slot = 0;
  std::string node;
  std::uint32_t workers = 0;
};
struct LeaveEvent {
  std::uint64_t step = 0;
  std::uint32_t slot = 0;
  std::string node;
  std::uint32_t workers = 0;
};
struct DeathEvent {
  std::uint64_t step = 0;
  std::uint32_t slot = 0;
  std::string node;
  std::string reason;
  std::uint32_t workers = 0;
};

// An attempt at a round was given up; nothing is lost by it.
struct AbortEvent {
  std::uint64_t step = 0;
  std::string fence;
  std::string reason;
  FlightRecord record;  // What speaks for it.
};

// No worker held the last model any more: the run goes on from an older one.
struct RollbackEvent {
  std::uint64_t step = 0;  // Of that one, as `to`.
  std::uint64_t from = 0;  // Synchronizations.
  std::uint64_t to = 0;
};

// What is amiss without stopping the run, for people.
struct NoteEvent {
  std::uint64_t step = 0;
  std::string message;
};

// The last event of a run: its result, or why there is none.
struct EndEvent {
  std::optional<RunResult> result;
  std::optional<runtime::UserError> error;  // Exactly one of the two is set.
};

struct RunEvent {
  double time = 0;  // Seconds since the run began.
  std::variant<StepEvent, SyncEvent, EvaluationEvent, JoinEvent, LeaveEvent, DeathEvent, AbortEvent,
               RollbackEvent, NoteEvent, EndEvent>
      what;
};

// {"t":1.5,"event":"sync",...} on one line, without its end. The end event has "terminal":true.
std::string ToJson(const RunEvent& event);
// kInvalidArgument: no such object.
absl::StatusOr<RunEvent> RunEventFromJson(const std::string& text);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_EVENT_H_
