// What a run has come to: README's "`rondo run --json`", as plain values and as JSON.
#ifndef RONDO_ACTORS_RUN_RESULT_H_
#define RONDO_ACTORS_RUN_RESULT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "actors/run_config.h"
#include "runtime/net/traffic.h"

namespace actors {

// Where the time of a worker went: the mean over the workers, in seconds.
struct RunSeconds {
  double compute = 0;
  double wait_decision = 0;
  double ring = 0;
  double evaluate = 0;
};

struct RunEventCounts {
  std::uint64_t joins = 0;
  std::uint64_t leaves = 0;
  std::uint64_t deaths = 0;
  std::uint64_t aborts = 0;    // Attempts at a round that were given up.
  std::uint64_t rebases = 0;   // Workers that took over a base they had not contributed to.
  std::uint64_t resets = 0;    // Workers whose drift was not finite.
  std::uint64_t outliers = 0;  // Workers whose drift has become unlike the others'.
};

struct RunResult {
  std::string run_id;
  std::string strategy;
  std::string estimator;
  std::string decision;
  std::optional<double> theta;  // In force; none for strategies without a threshold.
  std::uint32_t workers = 0;    // At the start.
  std::uint32_t workers_final = 0;
  std::string model;
  std::uint64_t parameters = 0;  // d, the trainable ones.
  std::string data;              // data.source.
  std::uint64_t steps = 0;
  std::uint64_t samples = 0;  // Trained on, all workers.
  std::uint64_t syncs = 0;    // Committed synchronizations, the last one included.
  // Step of the first evaluation at run.target_accuracy or above.
  std::optional<std::uint64_t> reached_step;
  std::optional<double> accuracy;  // At the end, 0..1; none if the model has no test set.
  std::optional<double> best_accuracy;
  std::string evaluated;             // run.evaluate.
  std::optional<double> train_loss;  // Mean over workers at the last step.
  // Of all predictions on batches, each by its worker before it trained on it, the part that was
  // wrong; none if the model has no classes.
  std::optional<double> prequential_error;
  runtime::Ledger bytes;          // Sent by all workers and the head; each byte once.
  std::uint64_t bytes_paper = 0;  // PaperBytes.
  double seconds = 0;             // From the first step to the end of the last synchronization.
  RunSeconds seconds_by;
  std::string model_hash;  // Root of the final model, 32 hexadecimal digits.
  bool replicas_equal = false;
  std::uint64_t seed = 0;
  RunEventCounts events;
  runtime::Drops dropped;
  std::string model_path;

  double StepsPerSecond() const { return seconds > 0 ? static_cast<double>(steps) / seconds : 0; }
  // What the ring alone would send with a synchronization after every step: the lower bound
  // 2 (K-1) * 4 d bytes a step over all workers.
  std::uint64_t SynchronousBytes() const;
  // Bytes of training: all but evaluation, which synchronous training would not need either.
  std::uint64_t TrainingBytes() const {
    return bytes.Total() - bytes.Of(runtime::Traffic::kEvaluation);
  }
};

// One JSON object on one line; floats that are not finite become null.
std::string ToJson(const RunResult& result);
// kInvalidArgument: no such object. Unknown members are ignored, missing ones keep their default.
absl::StatusOr<RunResult> RunResultFromJson(const std::string& text);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_RESULT_H_
