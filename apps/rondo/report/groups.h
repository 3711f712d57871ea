// Runs that differ in their seed only, as one point; names and colours for the points. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_GROUPS_H_
#define RONDO_APPS_RONDO_REPORT_GROUPS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/rondo/report/chart.h"
#include "apps/rondo/report/statistics.h"
#include "apps/rondo/report/trial.h"

namespace apps::report {

// A point of a sweep, or a run alone: equal settings, one or more seeds.
struct Group {
  std::vector<const Trial*> trials;  // By seed.
  std::map<std::string, std::string> settings;
  std::string family;     // "fda linear", "local", "synchronous": what has one colour everywhere.
  std::string parameter;  // "theta 2", "tau 76, overlap true"; "" for none.
  std::string setting;    // Of those settings that are no strategy's and differ: "K 5, iid"; or "".
  std::string others;     // The same without workers and partition.
  int color = 0;
  Shape shape = Shape::kCircle;

  std::string Strategy() const { return parameter.empty() ? family : family + " " + parameter; }
  std::string ShortLabel() const { return parameter.empty() ? family : parameter; }
  // Of a setting; "" if it is not told.
  std::string ValueOf(const std::string& key) const {
    const auto found = settings.find(key);
    return found == settings.end() ? "" : found->second;
  }
  // Tells it from all others of the report.
  std::string Label() const {
    return setting.empty() ? Strategy() : Strategy() + " (" + setting + ")";
  }
  std::size_t CountOf(TrialState state) const;
  // Over the runs that have a result; none if none has, or no number.
  std::optional<Summary> OfResults(
      const std::function<double(const actors::RunResult&)>& value) const;
  // Over the runs that reached the target.
  std::optional<Summary> StepsToTarget() const;
  std::optional<double> Theta() const;  // If it is a number, and the strategy has one.
};

// In the order of settings, families and parameters. `trials` is borrowed.
std::vector<Group> MakeGroups(const std::vector<Trial>& trials);

// Groups whose settings apart from the strategy are equal can be compared: one list for each, in
// the order of `groups`.
std::vector<std::vector<const Group*>> Comparable(const std::vector<Group>& groups);

inline constexpr double kBytesPerMegabyte = 1e6;

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_GROUPS_H_
