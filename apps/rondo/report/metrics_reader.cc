#include "apps/rondo/report/metrics_reader.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/rondo/report/statistics.h"
#include "runtime/base/status.h"

namespace apps::report {
namespace {

constexpr std::size_t kMostNotes = 50;
// A whole integer of a double.
constexpr double kMostExact = 1e15;

double ValueOr(const std::optional<double>& value) { return value.value_or(kUnknown); }

double Number(std::uint64_t value) { return static_cast<double>(value); }

}  // namespace

std::string SettingText(const actors::ConfigValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* is_on = std::get_if<bool>(&value)) return *is_on ? "true" : "false";
  const auto* whole = std::get_if<std::int64_t>(&value);
  const double number = whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value);
  if (std::abs(number) < kMostExact && number == std::floor(number)) {
    return absl::StrCat(static_cast<std::int64_t>(number));
  }
  return absl::StrFormat("%.6g", number);
}

std::map<std::string, std::string> SettingsOf(const actors::RunConfig& config) {
  std::map<std::string, std::string> settings;
  for (const actors::ConfigKey& key : actors::ConfigKeys()) {
    const std::string name = key.FullName();
    if (name != "run.seed" && name != "run.out") settings[name] = SettingText(key.get(config));
  }
  return settings;
}

std::string PointOf(const std::map<std::string, std::string>& settings) {
  std::string point;
  for (const auto& [key, value] : settings) absl::StrAppend(&point, key, "=", value, "\n");
  return point;
}

absl::Status MetricsReader::Add(const std::string& line) {
  ASSIGN_OR_RETURN(const actors::RunEvent event, actors::RunEventFromJson(line));
  On(event);
  return absl::OkStatus();
}

void MetricsReader::OnTotal(std::uint64_t bytes_total) {
  has_begun_ = true;
  bytes_ = std::isnan(bytes_) ? Number(bytes_total) : std::max(bytes_, Number(bytes_total));
}

void MetricsReader::OnIncident(Incident::Kind kind, std::uint64_t step, std::uint32_t slot,
                               const std::string& text) {
  trial_.incidents.push_back({kind, Number(step), time_, slot, text});
}

void MetricsReader::On(const actors::RunEvent& event) {
  if (!std::isfinite(event.time)) return;
  time_ = event.time;
  trial_.last_second = std::max(trial_.last_second, time_);
  using Kind = Incident::Kind;
  if (const auto* step = std::get_if<actors::StepEvent>(&event.what)) {
    OnTotal(step->bytes_total);
    trial_.trace.push_back(
        {Number(step->step), ValueOr(step->variance_estimate), ValueOr(step->theta)});
  } else if (const auto* sync = std::get_if<actors::SyncEvent>(&event.what)) {
    OnTotal(sync->bytes_total);
    trial_.trace.push_back(
        {Number(sync->step), ValueOr(sync->variance_estimate), ValueOr(sync->theta)});
    trial_.syncs.push_back({Number(sync->step), time_, Number(sync->interval)});
  } else if (const auto* evaluation = std::get_if<actors::EvaluationEvent>(&event.what)) {
    trial_.curve.push_back({Number(evaluation->step), evaluation->accuracy, bytes_, time_});
  } else if (const auto* join = std::get_if<actors::JoinEvent>(&event.what)) {
    if (!has_begun_) start_ = time_;
    OnIncident(Kind::kJoin, join->step, join->slot, join->node);
  } else if (const auto* leave = std::get_if<actors::LeaveEvent>(&event.what)) {
    OnIncident(Kind::kLeave, leave->step, leave->slot, leave->node);
  } else if (const auto* death = std::get_if<actors::DeathEvent>(&event.what)) {
    OnIncident(Kind::kDeath, death->step, death->slot,
               absl::StrCat(death->node, ": ", death->reason));
  } else if (const auto* abort = std::get_if<actors::AbortEvent>(&event.what)) {
    OnIncident(Kind::kAbort, abort->step, 0, abort->reason);
  } else if (const auto* rollback = std::get_if<actors::RollbackEvent>(&event.what)) {
    OnIncident(Kind::kRollback, rollback->step, 0,
               absl::StrCat("back from synchronization ", rollback->from, " to ", rollback->to));
  } else if (const auto* note = std::get_if<actors::NoteEvent>(&event.what)) {
    if (trial_.notes.size() < kMostNotes) trial_.notes.push_back(note->message);
  } else if (const auto* end = std::get_if<actors::EndEvent>(&event.what)) {
    trial_.result = end->result;
    trial_.error = end->error;
    trial_.state = end->error.has_value()    ? TrialState::kFailed
                   : end->result.has_value() ? TrialState::kDone
                                             : TrialState::kUnfinished;
  }
}

void MetricsReader::Finish() {
  // Times count from the first step; until then a run waits for its workers.
  for (Evaluation& evaluation : trial_.curve) evaluation.seconds -= start_;
  for (Synchronization& sync : trial_.syncs) sync.seconds -= start_;
  for (Incident& incident : trial_.incidents) {
    incident.seconds = std::max(0.0, incident.seconds - start_);
  }
  trial_.last_second = std::max(0.0, trial_.last_second - start_);
  std::vector<double> intervals;
  for (const Synchronization& sync : trial_.syncs) intervals.push_back(sync.interval);
  if (!intervals.empty()) {
    std::sort(intervals.begin(), intervals.end());
    trial_.intervals =
        Intervals{intervals.size(), actors::QuantileOf(intervals, 0.5),
                  actors::QuantileOf(intervals, 0.1), actors::QuantileOf(intervals, 0.9)};
  }
  if (!trial_.result.has_value()) return;
  if (!trial_.result->run_id.empty()) trial_.name = trial_.result->run_id;
  trial_.seed = trial_.result->seed;
}

Trial MetricsReader::Take(const std::string& path) {
  Finish();
  trial_.point = absl::StrCat("path=", path, "\n");
  return std::move(trial_);
}

Trial MetricsReader::Take(const actors::RunConfig& config) {
  Finish();
  trial_.settings = SettingsOf(config);
  trial_.point = PointOf(trial_.settings);
  trial_.target = config.run.target_accuracy;
  trial_.seed = config.run.seed;
  return std::move(trial_);
}

}  // namespace apps::report
