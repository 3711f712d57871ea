#include "apps/rondo/report/page.h"

#include <absl/strings/str_cat.h>

#include <cmath>
#include <utility>

#include "apps/rondo/format.h"
#include "apps/rondo/report/compare_charts.h"
#include "apps/rondo/report/html.h"
#include "apps/rondo/report/run_charts.h"
#include "apps/rondo/report/table.h"

namespace apps::report {
namespace {

struct Section {
  const char* id;
  const char* title;
  const char* lead;  // What one sees here.
  std::string body;
};

std::string Tile(const std::string& value, const std::string& name) {
  return absl::StrCat("<div><b>", Escape(value), "</b><span>", Escape(name), "</span></div>");
}

// What one run came to, or how many there are.
std::string RenderTiles(const std::vector<Group>& groups) {
  std::size_t runs = 0, failed = 0, unfinished = 0, with_target = 0, reached = 0;
  const Trial* only = nullptr;
  for (const Group& group : groups) {
    runs += group.trials.size();
    failed += group.CountOf(TrialState::kFailed);
    unfinished += group.CountOf(TrialState::kUnfinished);
    for (const Trial* trial : group.trials) {
      only = trial;
      with_target += trial->target.has_value() ? 1 : 0;
      reached += trial->ReachedStep().has_value() ? 1 : 0;
    }
  }
  std::string tiles;
  if (runs == 1 && only->result.has_value()) {
    const actors::RunResult& result = *only->result;
    if (result.accuracy.has_value()) tiles += Tile(FormatPercent(*result.accuracy), "accuracy");
    tiles += Tile(FormatCount(result.steps), "steps");
    tiles += Tile(FormatCount(result.syncs), "synchronizations");
    tiles += Tile(FormatBytes(result.TrainingBytes()), "sent");
    tiles += Tile(FormatSeconds(result.seconds), "time");
    return absl::StrCat("<div class=\"tiles\">", tiles, "</div>\n");
  }
  tiles += Tile(FormatCount(runs), runs == 1 ? "run" : "runs");
  tiles += Tile(FormatCount(groups.size()), groups.size() == 1 ? "point" : "points");
  if (with_target > 0) {
    tiles += Tile(absl::StrCat(reached, " of ", with_target), "reached the target");
  }
  if (failed > 0) tiles += Tile(FormatCount(failed), "failed");
  if (unfinished > 0) tiles += Tile(FormatCount(unfinished), "without an end");
  return absl::StrCat("<div class=\"tiles\">", tiles, "</div>\n");
}

template <typename Render>
std::string ForEachComparison(const std::vector<std::vector<const Group*>>& comparisons,
                              const Render& render) {
  std::string body;
  for (const auto& groups : comparisons) body += render(groups);
  return body;
}

std::vector<Section> SectionsOf(const std::vector<Group>& groups) {
  const std::vector<std::vector<const Group*>> comparisons = Comparable(groups);
  ChartIds ids;
  const auto cost = [&ids](const Comparison& of) {
    return RenderPareto(of, ids) + RenderCostOfTarget(of, ids);
  };
  const auto curves = [&ids](const Comparison& of) { return RenderCurves(of, ids); };
  const auto bars = [](const Comparison& of) {
    return RenderBytesByKind(of) + RenderSecondsByKind(of);
  };
  return {
      {"cost", "What accuracy costs", "", ForEachComparison(comparisons, cost)},
      {"points", "All points", "", RenderPointTable(groups)},
      {"failures", "Runs that failed", "They count in the table, and are in no chart.",
       RenderFailures(groups)},
      {"curves", "On the way", "", ForEachComparison(comparisons, curves)},
      {"spending", "Bytes and time", "", ForEachComparison(comparisons, bars)},
      {"synchronizing", "When they synchronize", "",
       RenderIntervalsOverTheta(groups, ids) + RenderIntervals(groups, ids) +
           RenderVariances(groups, ids)},
      {"membership", "Who was there", "", RenderMemberships(groups, ids)},
      {"notes", "Notes of the runs", "", RenderNotes(groups)},
  };
}

}  // namespace

std::string RenderPage(const PageOptions& options, const std::vector<Group>& groups) {
  std::string contents;
  std::string body;
  for (const Section& section : SectionsOf(groups)) {
    if (section.body.empty()) continue;
    absl::StrAppend(&contents, "<a href=\"#", section.id, "\">", section.title, "</a>");
    absl::StrAppend(&body, "<section id=\"", section.id, "\"><h2>", section.title, "</h2>\n",
                    section.lead[0] == '\0' ? "" : absl::StrCat("<p>", section.lead, "</p>\n"),
                    "<div class=\"figures\">\n", section.body, "</div></section>\n");
  }
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      Escape(Shorten(options.title, 200)), "</title>\n<style>\n", kStyle,
      "</style></head>\n<body><header><h1>", Escape(Shorten(options.title, 200)), "</h1>\n",
      RenderTiles(groups), "<nav>", contents, "</nav></header>\n<main>\n", body,
      "</main>\n<footer>Made by rondo report.</footer></body></html>\n");
}

}  // namespace apps::report
