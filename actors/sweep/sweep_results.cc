#include "actors/sweep/sweep_results.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "actors/run_json.h"
#include "actors/run_json_visit.h"

namespace actors {

template <typename Visitor>
void Visit(Visitor& visit, SweepEvaluation& evaluation) {
  visit("step", evaluation.step);
  visit("accuracy", evaluation.accuracy);
  visit("loss", evaluation.loss);
  visit("bytes", evaluation.bytes);
  visit("t", evaluation.t);
}

template <typename Visitor>
void Visit(Visitor& visit, SweepIntervals& intervals) {
  visit("count", intervals.count);
  visit("p10", intervals.p10);
  visit("median", intervals.median);
  visit("p90", intervals.p90);
}

// The members that need nothing special.
template <typename Visitor>
void Visit(Visitor& visit, SweepLine& line) {
  visit("seed", line.seed);
  visit("tau", line.tau);
  visit("config_hash", line.identity);
  visit("folder", line.folder);
  visit("target", line.target);
  visit("result", line.result);
  visit("curve", line.curve);
  visit("intervals", line.intervals);
}

namespace {

constexpr int kSchema = 1;

Json JsonOf(const SweepSettings& settings) {
  Json json = Json::object();
  for (const auto& [key, value] : settings) {
    std::visit([&json, &key = key](const auto& scalar) { json[key] = scalar; }, value);
  }
  return json;
}

bool FromJson(const Json& json, SweepSettings& settings) {
  if (!json.is_object()) return false;
  for (const auto& [key, value] : json.items()) {
    if (value.is_boolean()) {
      settings[key] = value.get<bool>();
    } else if (value.is_number_integer()) {
      settings[key] = value.get<std::int64_t>();
    } else if (value.is_number()) {
      settings[key] = value.get<double>();
    } else if (value.is_string()) {
      settings[key] = value.get<std::string>();
    } else {
      return false;
    }
  }
  return true;
}

Json ToJson(const runtime::UserError& error) {
  return {{"code", error.code},
          {"exit", static_cast<int>(error.exit)},
          {"message", error.message},
          {"hint", error.hint}};
}

std::string TextOf(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

runtime::UserError ErrorFrom(const Json& json) {
  runtime::UserError error{.code = TextOf(json, "code"),
                           .exit = runtime::Exit::kRunFailed,
                           .message = TextOf(json, "message"),
                           .hint = TextOf(json, "hint")};
  const auto exit = json.find("exit");
  if (exit != json.end() && exit->is_number_integer()) {
    error.exit = runtime::ExitOf(exit->get<int>()).value_or(runtime::Exit::kRunFailed);
  }
  return error;
}

SweepIntervals IntervalsOf(std::vector<double> intervals) {
  if (intervals.empty()) return {};
  std::sort(intervals.begin(), intervals.end());
  return {.count = intervals.size(),
          .p10 = QuantileOf(intervals, 0.1),
          .median = QuantileOf(intervals, 0.5),
          .p90 = QuantileOf(intervals, 0.9)};
}

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string ToJson(const SweepSettings& settings) { return Line(JsonOf(settings)); }

std::string ToJson(const SweepLine& line) {
  Json json{{"schema", kSchema}, {"point", JsonOf(line.point)}};
  json["matched"] = line.matched.has_value() ? JsonOf(*line.matched) : Json();
  json["state"] = line.result.has_value() ? "done" : "failed";
  json["error"] = line.error.has_value() ? ToJson(*line.error) : Json();
  JsonWriter writer;
  SweepLine members = line;
  Visit(writer, members);
  json.update(writer.Take());
  return Line(json);
}

absl::StatusOr<SweepLine> SweepLineFromJson(std::string_view text) {
  const Json json = ParseObject(std::string(text));
  SweepLine line;
  if (json.is_null() || !json.contains("point") || !FromJson(json["point"], line.point)) {
    return absl::InvalidArgumentError("no line of a sweep");
  }
  const Json schema = json.value("schema", Json());
  if (schema.is_number_integer() && schema != kSchema) {
    return absl::FailedPreconditionError(
        absl::StrCat("it has another schema than ", kSchema, ", which is what this version reads"));
  }
  const std::string state = TextOf(json, "state");
  if (schema != kSchema || !json.contains("seed") || (state != "done" && state != "failed")) {
    return absl::InvalidArgumentError("schema, seed or state is missing or of a wrong kind");
  }
  const auto matched = json.find("matched");
  if (matched != json.end() && !matched->is_null() && !FromJson(*matched, line.matched.emplace())) {
    return absl::InvalidArgumentError("JSON member matched is of a wrong type");
  }
  JsonReader reader(json);
  Visit(reader, line);
  if (!reader.status().ok()) return reader.status();
  const auto error = json.find("error");
  if (error != json.end() && error->is_object()) line.error = ErrorFrom(*error);
  if (line.result.has_value() != (state == "done") ||
      line.error.has_value() != (state == "failed")) {
    return absl::InvalidArgumentError("a run that is done has a result, one that failed an error");
  }
  return line;
}

absl::StatusOr<std::vector<SweepLine>> ReadSweepLines(std::string_view text,
                                                      const std::string& name, std::size_t* whole) {
  std::vector<SweepLine> lines;
  std::size_t number = 0;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find('\n', begin);
    if (whole != nullptr) *whole = begin;
    if (end == std::string_view::npos) return lines;
    ++number;
    absl::StatusOr<SweepLine> line = SweepLineFromJson(text.substr(begin, end - begin));
    if (absl::IsFailedPrecondition(line.status())) {
      return runtime::MakeError("SCHEMA_UNKNOWN", runtime::Exit::kIncompatible,
                                absl::StrCat(name, ":", number, ": ", line.status().message()),
                                "use the version that made the sweep, or another folder");
    }
    if (!line.ok()) {
      return runtime::MakeError(
          "DATA_CORRUPT", runtime::Exit::kUnreadable,
          absl::StrCat(name, ":", number, ": not a result of a sweep: ", line.status().message()),
          "remove the line, and the sweep makes its run again");
    }
    lines.push_back(*std::move(line));
    begin = end + 1;
  }
}

std::vector<SweepLine> LatestOf(const std::vector<SweepLine>& lines) {
  std::vector<SweepLine> latest;
  for (const SweepLine& line : lines) {
    const auto same = std::find_if(latest.begin(), latest.end(), [&line](const SweepLine& other) {
      return other.point == line.point && other.matched == line.matched && other.seed == line.seed;
    });
    if (same == latest.end()) {
      latest.push_back(line);
    } else {
      *same = line;
    }
  }
  return latest;
}

void TakeRunOutput(std::string_view jsonl, SweepLine& line) {
  line.result.reset();
  line.error.reset();
  line.curve.clear();
  std::vector<double> intervals;
  std::uint64_t bytes = 0;
  double first_step = 0;  // When it could begin: the last worker of those at the start had come.
  bool has_begun = false;
  while (!jsonl.empty()) {
    const std::size_t end_of_line = jsonl.find('\n');
    const std::string text(jsonl.substr(0, end_of_line));
    jsonl.remove_prefix(end_of_line == std::string_view::npos ? jsonl.size() : end_of_line + 1);
    const absl::StatusOr<RunEvent> event = RunEventFromJson(text);
    if (!event.ok()) {
      const Json json = ParseObject(text);
      if (!json.is_null() && json.contains("ok") && json["ok"] == false) {
        line.error = ErrorFrom(json);
      }
      continue;
    }
    if (std::holds_alternative<JoinEvent>(event->what) && !has_begun) first_step = event->time;
    if (const auto* step = std::get_if<StepEvent>(&event->what)) {
      has_begun = true;
      bytes = std::max(bytes, step->bytes_total);  // A total may be older than the last.
    } else if (const auto* sync = std::get_if<SyncEvent>(&event->what)) {
      has_begun = true;
      bytes = std::max(bytes, sync->bytes_total);
      intervals.push_back(static_cast<double>(sync->interval));
    } else if (const auto* tested = std::get_if<EvaluationEvent>(&event->what)) {
      line.curve.push_back({.step = tested->step,
                            .accuracy = tested->accuracy,
                            .loss = tested->test_loss,
                            .bytes = bytes,
                            .t = event->time - first_step});
    } else if (const auto* end = std::get_if<EndEvent>(&event->what)) {
      line.result = end->result;
      line.error = end->error;
    }
  }
  line.intervals = IntervalsOf(std::move(intervals));
  if (line.result.has_value() || line.error.has_value()) return;
  line.error = runtime::UserError{.code = "RUN_LOST",
                                  .exit = runtime::Exit::kRunFailed,
                                  .message = "the run's process ended without a word",
                                  .hint = "its folder has the logs"};
}

double QuantileOf(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

std::optional<Spread> SpreadOf(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Spread{.median = QuantileOf(values, 0.5), .least = values.front(), .most = values.back()};
}

std::vector<SweepSummary> Summarize(const std::vector<SweepLine>& lines) {
  std::vector<SweepSummary> summaries;
  std::vector<std::vector<const SweepLine*>> runs;
  for (const SweepLine& line : lines) {
    std::size_t i = 0;
    while (i < summaries.size() &&
           (summaries[i].point != line.point || summaries[i].matched != line.matched)) {
      ++i;
    }
    if (i == summaries.size()) {
      summaries.push_back({.point = line.point, .matched = line.matched, .target = line.target});
      runs.emplace_back();
    }
    runs[i].push_back(&line);
  }
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    SweepSummary& summary = summaries[i];
    std::vector<double> steps, syncs, interval, bytes, paper, accuracy, seconds, tau;
    for (const SweepLine* line : runs[i]) {
      ++summary.runs;
      if (line->tau.has_value()) tau.push_back(static_cast<double>(*line->tau));
      if (!line->result.has_value()) {
        ++summary.failed;
        continue;
      }
      const RunResult& result = *line->result;
      if (result.reached_step.has_value()) ++summary.reached;
      steps.push_back(static_cast<double>(result.reached_step.value_or(result.steps)));
      syncs.push_back(static_cast<double>(result.syncs));
      if (result.syncs > 0) {
        interval.push_back(static_cast<double>(result.steps) / static_cast<double>(result.syncs));
      }
      bytes.push_back(static_cast<double>(result.TrainingBytes()));
      paper.push_back(static_cast<double>(result.bytes_paper));
      if (result.accuracy.has_value()) accuracy.push_back(*result.accuracy);
      seconds.push_back(result.seconds);
    }
    summary.steps = SpreadOf(std::move(steps));
    summary.syncs = SpreadOf(std::move(syncs));
    summary.interval = SpreadOf(std::move(interval));
    summary.bytes = SpreadOf(std::move(bytes));
    summary.bytes_paper = SpreadOf(std::move(paper));
    summary.accuracy = SpreadOf(std::move(accuracy));
    summary.seconds = SpreadOf(std::move(seconds));
    summary.tau = SpreadOf(std::move(tau));
  }
  return summaries;
}

std::string ToCsv(const std::vector<SweepLine>& lines) {
  std::set<std::string> keys;
  for (const SweepLine& line : lines) {
    for (const auto& [key, value] : line.point) keys.insert(key);
  }
  std::string text;
  for (const std::string& key : keys) absl::StrAppend(&text, key, ",");
  absl::StrAppend(&text,
                  "seed,matched,tau,state,target,reached_step,steps,syncs,steps_per_sync,accuracy,"
                  "best_accuracy,bytes,bytes_evaluation,bytes_paper,seconds,error\n");
  for (const SweepLine& line : lines) {
    for (const std::string& key : keys) {
      const auto found = line.point.find(key);
      absl::StrAppend(&text, found == line.point.end() ? "" : Quoted(PlainText(found->second)),
                      ",");
    }
    const auto optional = [](const auto& value) {
      return value.has_value() ? absl::StrCat(*value) : std::string();
    };
    absl::StrAppend(&text, line.seed, ",",
                    line.matched.has_value() ? Quoted(DescribePoint(*line.matched)) : "", ",",
                    optional(line.tau), ",", line.result.has_value() ? "done" : "failed", ",",
                    optional(line.target), ",");
    if (!line.result.has_value()) {
      absl::StrAppend(&text, ",,,,,,,,,,", Quoted(line.error->code), "\n");
      continue;
    }
    const RunResult& result = *line.result;
    const double interval =
        result.syncs == 0 ? 0
                          : static_cast<double>(result.steps) / static_cast<double>(result.syncs);
    absl::StrAppend(&text, optional(result.reached_step), ",", result.steps, ",", result.syncs, ",",
                    interval, ",", optional(result.accuracy), ",", optional(result.best_accuracy),
                    ",", result.TrainingBytes(), ",",
                    result.bytes.Of(runtime::Traffic::kEvaluation), ",", result.bytes_paper, ",",
                    result.seconds, ",\n");
  }
  return text;
}

}  // namespace actors
