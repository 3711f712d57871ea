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

}  // namespace actors
