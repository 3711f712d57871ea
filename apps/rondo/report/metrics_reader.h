// The events of a run, line by line, to a Trial. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_METRICS_READER_H_
#define RONDO_APPS_RONDO_REPORT_METRICS_READER_H_

#include <absl/status/status.h>

#include <string>

#include "actors/run_config.h"
#include "actors/run_config_keys.h"
#include "actors/run_event.h"
#include "apps/rondo/report/trial.h"

namespace apps::report {

class MetricsReader {
 public:
  // `name`: of the trial, until its result tells the run's id.
  explicit MetricsReader(const std::string& name) { trial_.name = name; }

  // One line of metrics.jsonl without its end. kInvalidArgument: no event.
  absl::Status Add(const std::string& line);
  // Without a config of the run; `path` tells it from other runs without one.
  Trial Take(const std::string& path);
  Trial Take(const actors::RunConfig& config);

 private:
  void On(const actors::RunEvent& event);
  void OnTotal(std::uint64_t bytes_total);
  void OnIncident(Incident::Kind kind, std::uint64_t step, std::uint32_t slot,
                  const std::string& text);
  void Finish();

  Trial trial_;
  double time_ = 0;   // Of the present event.
  double start_ = 0;  // When the last of the first members joined; the first step follows.
  bool has_begun_ = false;
  double bytes_ = kUnknown;  // Totals in events may be older than those of events before them.
};

// Every key and value but run.seed and run.out, which do not make it another point.
std::map<std::string, std::string> SettingsOf(const actors::RunConfig& config);
// A value as settings hold it: numbers that are equal are written alike.
std::string SettingText(const actors::ConfigValue& value);
// Settings on one line: Trial::point.
std::string PointOf(const std::map<std::string, std::string>& settings);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_METRICS_READER_H_
