#include "actors/run_result.h"

#include "actors/run_json.h"
#include "actors/run_json_visit.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

constexpr std::uint64_t kFloatBytes = 4;

}  // namespace

std::uint64_t RunResult::SynchronousBytes() const {
  if (workers < 2) return 0;
  return steps * 2 * (workers - 1) * kFloatBytes * parameters;
}

std::string ToJson(const RunResult& result) {
  JsonWriter writer;
  RunResult members = result;
  Visit(writer, members);
  return Line(writer.Take());
}

absl::StatusOr<RunResult> RunResultFromJson(const std::string& text) {
  const Json json = ParseObject(text);
  if (json.is_null()) return absl::InvalidArgumentError("a run result is a JSON object");
  RunResult result;
  JsonReader reader(json);
  Visit(reader, result);
  RETURN_IF_ERROR(reader.status());
  return result;
}

std::uint64_t StateBytes(const RunConfig& config, std::uint64_t trainable) {
  if (config.strategy.name != StrategyName::kFda) return 0;
  switch (config.strategy.estimator) {
    case EstimatorName::kNaive: return kFloatBytes;
    case EstimatorName::kLinear: return 2 * kFloatBytes;
    case EstimatorName::kSketch:
      return kFloatBytes *
             (std::uint64_t{config.strategy.sketch_rows} * config.strategy.sketch_columns + 1);
    case EstimatorName::kExact: return kFloatBytes * (trainable + 1);
  }
  return 0;
}

std::uint64_t PaperBytes(const RunConfig& config, std::uint64_t trainable, std::uint64_t steps,
                         std::uint64_t syncs) {
  const std::uint64_t workers = config.run.workers;
  const bool sends_first_model = config.strategy.name != StrategyName::kSynchronous;
  const std::uint64_t exchanges = syncs + (sends_first_model ? 1 : 0);
  return exchanges * 2 * kFloatBytes * trainable * workers +
         StateBytes(config, trainable) * steps * workers;
}

}  // namespace actors
