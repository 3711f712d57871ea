#include "apps/rondo/report/sweep_reader.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include <nlohmann/json.hpp>

#include "apps/rondo/report/metrics_reader.h"
#include "runtime/base/status.h"

namespace apps::report {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kSchema = 1;

// The member `name`, or null.
const Json& Member(const Json& object, const char* name) {
  static const auto* const null = new Json();
  const auto found = object.find(name);
  return found == object.end() ? *null : *found;
}

double NumberOf(const Json& object, const char* name) {
  const Json& member = Member(object, name);
  return member.is_number() ? member.get<double>() : kUnknown;
}

std::string TextOf(const Json& object, const char* name) {
  const Json& member = Member(object, name);
  return member.is_string() ? member.get<std::string>() : "";
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Null if it is no object. What is nested deeper than any line of ours is left out: Dump is
// recursive, and a hostile line must not end the program.
Json ParseLine(const std::string& text) {
  constexpr int kDeepest = 8;
  Json json = Json::parse(
      text, [](int depth, Json::parse_event_t, const Json&) { return depth <= kDeepest; },
      /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

std::string ScalarText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return SettingText(value.get<double>());
  return Dump(value);
}

absl::Status Refuse(const char* member, const char* expected) {
  return absl::InvalidArgumentError(absl::StrCat("\"", member, "\" is not ", expected));
}

absl::Status ReadCurve(const Json& curve, Trial& trial) {
  if (curve.is_null()) return absl::OkStatus();
  if (!curve.is_array()) return Refuse("curve", "a list");
  for (const Json& point : curve) {
    if (!point.is_object()) return Refuse("curve", "a list of objects");
    trial.curve.push_back({NumberOf(point, "step"), NumberOf(point, "accuracy"),
                           NumberOf(point, "bytes"), NumberOf(point, "t")});
  }
  return absl::OkStatus();
}

absl::Status ReadState(const Json& line, Trial& trial) {
  const std::string state = TextOf(line, "state");
  if (state != "done" && state != "failed") return Refuse("state", "\"done\" or \"failed\"");
  trial.state = state == "done" ? TrialState::kDone : TrialState::kFailed;
  const Json& error = Member(line, "error");
  if (error.is_object()) {
    trial.error = runtime::UserError{TextOf(error, "code"), runtime::Exit::kRunFailed,
                                     TextOf(error, "message"), TextOf(error, "hint")};
  }
  const Json& result = Member(line, "result");
  if (result.is_null()) return absl::OkStatus();
  if (!result.is_object()) return Refuse("result", "an object");
  ASSIGN_OR_RETURN(trial.result, actors::RunResultFromJson(Dump(result)));
  return absl::OkStatus();
}

// The settings, and what makes two lines one point. A run whose tau was taken from another point's
// interval has one for each seed, and they are still one point.
absl::Status ReadPoint(const Json& line, Trial& trial) {
  const Json& point = Member(line, "point");
  if (!point.is_object()) return Refuse("point", "an object");
  for (const auto& [key, value] : point.items()) {
    if (key != "run.seed") trial.settings[key] = ScalarText(value);
  }
  std::map<std::string, std::string> identity = trial.settings;
  const Json& matched = Member(line, "matched");
  if (matched.is_object()) {
    for (const auto& [key, value] : matched.items()) trial.matched[key] = ScalarText(value);
    identity.erase("strategy.tau");
    identity["matched"] = Dump(matched);
  }
  trial.point = PointOf(identity);
  return absl::OkStatus();
}

// What the point does not say and the result does.
void AddFromResult(Trial& trial) {
  if (!trial.result.has_value()) return;
  const actors::RunResult& result = *trial.result;
  if (!result.run_id.empty()) trial.name = result.run_id;
  if (result.workers > 0) trial.settings.try_emplace("run.workers", SettingText(result.workers));
  if (!result.strategy.empty()) trial.settings.try_emplace("strategy.name", result.strategy);
  if (!result.model.empty()) trial.settings.try_emplace("model.name", result.model);
  if (!result.data.empty()) trial.settings.try_emplace("data.source", result.data);
}

}  // namespace

bool IsSweepLine(const std::string& line) { return ParseLine(line).contains("point"); }

absl::StatusOr<Trial> ReadSweepLine(const std::string& text) {
  const Json line = ParseLine(text);
  if (!line.is_object()) return absl::InvalidArgumentError("it is no JSON object");
  const Json& schema = Member(line, "schema");
  if (!schema.is_number_integer()) return Refuse("schema", "a number");
  if (schema != kSchema) {
    return absl::FailedPreconditionError(
        absl::StrCat("it has schema ", Dump(schema), ", and this version reads ", kSchema));
  }
  Trial trial;
  trial.name = TextOf(line, "folder");
  const Json& seed = Member(line, "seed");
  if (!seed.is_number_unsigned()) return Refuse("seed", "a number");
  trial.seed = seed.get<std::uint64_t>();
  const Json& target = Member(line, "target");
  if (target.is_number()) trial.target = target.get<double>();
  RETURN_IF_ERROR(ReadPoint(line, trial));
  RETURN_IF_ERROR(ReadState(line, trial));
  RETURN_IF_ERROR(ReadCurve(Member(line, "curve"), trial));
  const Json& intervals = Member(line, "intervals");
  if (intervals.is_object()) {
    const Json& count = Member(intervals, "count");
    trial.intervals = Intervals{count.is_number_unsigned() ? count.get<std::uint64_t>() : 0,
                                NumberOf(intervals, "median"), NumberOf(intervals, "p10"),
                                NumberOf(intervals, "p90")};
  }
  AddFromResult(trial);
  return trial;
}

}  // namespace apps::report
