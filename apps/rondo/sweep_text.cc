#include "apps/rondo/sweep_text.h"

#include <absl/strings/str_cat.h>

#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "apps/rondo/format.h"

namespace apps {
namespace {

using actors::Spread;
using actors::SweepSummary;
using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

template <typename Format>
std::string Cell(const std::optional<Spread>& spread, Format format) {
  if (!spread.has_value()) return "-";
  const std::string median = format(spread->median);
  const std::string least = format(spread->least);
  const std::string most = format(spread->most);
  if (least == most) return median;
  return absl::StrCat(median, " (", least, " to ", most, ")");
}

std::string Count(double value) {
  return FormatCount(static_cast<std::uint64_t>(std::llround(value)));
}
std::string Bytes(double value) {
  return FormatBytes(static_cast<std::uint64_t>(std::llround(value)));
}

std::string NameOf(const SweepSummary& summary) {
  const std::string name = actors::DescribePoint(summary.point);
  if (!summary.matched.has_value()) return name;
  return absl::StrCat(name, ", tau ", Cell(summary.tau, Count), " of ",
                      actors::DescribePoint(*summary.matched));
}

std::string ReachedOf(const SweepSummary& summary) {
  std::string text = summary.target.has_value()
                         ? absl::StrCat(summary.reached, " of ", summary.runs)
                         : absl::StrCat(summary.runs, summary.runs == 1 ? " run" : " runs");
  if (summary.failed > 0) absl::StrAppend(&text, ", ", summary.failed, " failed");
  return text;
}

Json ToJson(const std::optional<Spread>& spread) {
  if (!spread.has_value()) return {};
  return {{"median", spread->median}, {"min", spread->least}, {"max", spread->most}};
}

Json JsonOf(const actors::SweepSettings& settings) { return Json::parse(actors::ToJson(settings)); }

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string RenderSweepLine(const actors::SweepLine& line, const std::string& name) {
  if (!line.result.has_value()) {
    return absl::StrCat(name, ": failed, error[", line.error->code, "]: ", line.error->message);
  }
  const actors::RunResult& result = *line.result;
  std::string text = name + ": ";
  if (result.accuracy.has_value()) {
    absl::StrAppend(&text, "accuracy ", FormatPercent(*result.accuracy), ", ");
  }
  absl::StrAppend(&text, FormatCount(result.steps), " steps, ", FormatCount(result.syncs),
                  " syncs, ", FormatBytes(result.TrainingBytes()), ", ",
                  FormatSeconds(result.seconds));
  if (line.target.has_value() && !result.reached_step.has_value()) text += ", target missed";
  return text;
}

std::string RenderSummaries(const std::vector<SweepSummary>& summaries) {
  Rows rows = {{"run", "reached", "steps", "syncs", "steps/sync", "sent", "by the paper's formula",
                "accuracy", "seconds"}};
  for (const SweepSummary& summary : summaries) {
    rows.push_back({NameOf(summary), ReachedOf(summary), Cell(summary.steps, Count),
                    Cell(summary.syncs, Count), Cell(summary.interval, FormatNumber),
                    Cell(summary.bytes, Bytes), Cell(summary.bytes_paper, Bytes),
                    Cell(summary.accuracy, FormatPercent), Cell(summary.seconds, FormatSeconds)});
  }
  return RenderTable(rows);
}

std::string SummariesToJson(const std::vector<SweepSummary>& summaries) {
  Json list = Json::array();
  for (const SweepSummary& summary : summaries) {
    Json json{{"point", JsonOf(summary.point)}};
    json["matched"] = summary.matched.has_value() ? JsonOf(*summary.matched) : Json();
    json["target"] = summary.target.has_value() ? Json(*summary.target) : Json();
    json["runs"] = summary.runs;
    json["failed"] = summary.failed;
    json["reached"] = summary.reached;
    json["tau"] = ToJson(summary.tau);
    json["steps"] = ToJson(summary.steps);
    json["syncs"] = ToJson(summary.syncs);
    json["steps_per_sync"] = ToJson(summary.interval);
    json["bytes"] = ToJson(summary.bytes);
    json["bytes_paper"] = ToJson(summary.bytes_paper);
    json["accuracy"] = ToJson(summary.accuracy);
    json["seconds"] = ToJson(summary.seconds);
    list.push_back(std::move(json));
  }
  return Dump(list);
}

std::string RenderSweepPlan(const std::vector<actors::SweepPoint>& points,
                            const std::vector<actors::SweepRun>& runs) {
  Rows rows = {{"run", "tau of", "seeds"}};
  for (const actors::SweepPoint& point : points) {
    std::string seeds;
    for (const std::uint64_t seed : point.seeds) {
      absl::StrAppend(&seeds, seeds.empty() ? "" : ", ", seed);
    }
    rows.push_back(
        {actors::DescribePoint(point.settings),
         point.matched.has_value() ? actors::DescribePoint(points[*point.matched].settings) : "-",
         seeds});
  }
  return absl::StrCat(RenderTable(rows), FormatCount(runs.size()), " runs of ",
                      FormatCount(points.size()), " points\n");
}

std::string SweepPlanToJson(const std::vector<actors::SweepPoint>& points,
                            const std::vector<actors::SweepRun>& runs) {
  Json json{{"runs", runs.size()}, {"points", Json::array()}};
  for (const actors::SweepPoint& point : points) {
    Json one{{"point", JsonOf(point.settings)}, {"seeds", point.seeds}};
    one["matched"] = point.matched.has_value() ? JsonOf(points[*point.matched].settings) : Json();
    json["points"].push_back(std::move(one));
  }
  return Dump(json);
}

}  // namespace apps
