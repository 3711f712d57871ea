#include "apps/rondo/report/table.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "apps/rondo/format.h"
#include "apps/rondo/report/html.h"

namespace apps::report {
namespace {

using actors::RunResult;

constexpr char kNothing[] = "–";

std::string MedianText(const std::optional<Summary>& summary) {
  return summary.has_value() ? ThreeDigits(summary->median) : "";
}

std::string MedianAndRange(const std::optional<Summary>& summary) {
  if (!summary.has_value()) return "";
  const std::string median = FormatTick(summary->median);
  if (summary->low == summary->high) return median;
  return absl::StrCat(median, " (", FormatTick(summary->low), " to ", FormatTick(summary->high),
                      ")");
}

std::string SeedsOf(const Group& group) {
  constexpr std::size_t kMostListed = 5;
  std::string seeds;
  for (std::size_t i = 0; i < std::min(group.trials.size(), kMostListed); ++i) {
    absl::StrAppend(&seeds, i == 0 ? "" : ", ", group.trials[i]->seed);
  }
  const std::size_t more = group.trials.size() - std::min(group.trials.size(), kMostListed);
  return more == 0 ? seeds : absl::StrCat(seeds, " and ", more, " more");
}

// "2 of 3"; of all that were started, failed ones included.
std::string ReachedText(const Group& group) {
  std::size_t with_target = 0, reached = 0;
  for (const Trial* trial : group.trials) {
    with_target += trial->target.has_value() ? 1 : 0;
    reached += trial->ReachedStep().has_value() ? 1 : 0;
  }
  return with_target == 0 ? "" : absl::StrCat(reached, " of ", with_target);
}

std::string StateText(const Group& group) {
  const std::size_t failed = group.CountOf(TrialState::kFailed);
  const std::size_t unfinished = group.CountOf(TrialState::kUnfinished);
  std::string text;
  if (failed > 0) absl::StrAppend(&text, failed, " of ", group.trials.size(), " failed");
  if (unfinished > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", unfinished, " of ", group.trials.size(),
                    " without an end");
  }
  return text;
}

double Megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / kBytesPerMegabyte; }
double Sent(const RunResult& result) { return Megabytes(result.TrainingBytes()); }
double Seconds(const RunResult& result) { return result.seconds; }

// The synchronous point of equal settings; null if there is none, or none but this one.
const Group* SynchronousOf(const Group& group, const std::vector<Group>& groups) {
  for (const Group& other : groups) {
    if (other.family == "synchronous" && other.setting == group.setting && &other != &group) {
      return &other;
    }
  }
  return nullptr;
}

// How many times what `value` says of this group goes into what it says of synchronous.
std::string RatioText(const Group& group, const std::vector<Group>& groups,
                      const std::function<std::optional<Summary>(const Group&)>& value) {
  const Group* const synchronous = SynchronousOf(group, groups);
  if (synchronous == nullptr || group.family == "synchronous") return "";
  const std::optional<Summary> ours = value(group);
  const std::optional<Summary> theirs = value(*synchronous);
  if (!ours.has_value() || !theirs.has_value() || ours->median <= 0 || theirs->median <= 0) {
    return "";
  }
  return absl::StrCat(ThreeDigits(theirs->median / ours->median), "×");
}

struct Column {
  std::string title;
  bool is_number = true;
  std::function<std::string(const Group&)> text;
};

std::function<std::string(const Group&)> OfResults(double (*value)(const RunResult&)) {
  return [value](const Group& group) { return MedianText(group.OfResults(value)); };
}

std::string AccuracyText(const Group& group) {
  const auto accuracy =
      group.OfResults([](const RunResult& result) { return result.accuracy.value_or(kUnknown); });
  return accuracy.has_value() ? FormatPercent(accuracy->median) : "";
}

std::vector<Column> ResultColumns(const std::vector<Group>& groups) {
  return {
      {"steps to target", true,
       [](const Group& group) { return MedianAndRange(group.StepsToTarget()); }},
      {"steps", true,
       OfResults([](const RunResult& result) { return static_cast<double>(result.steps); })},
      {"syncs", true,
       OfResults([](const RunResult& result) { return static_cast<double>(result.syncs); })},
      {"steps per sync", true, OfResults([](const RunResult& result) {
         return result.syncs == 0
                    ? kUnknown
                    : static_cast<double>(result.steps) / static_cast<double>(result.syncs);
       })},
      {"MB sent", true, OfResults(Sent)},
      {"MB by the paper's formula", true,
       OfResults([](const RunResult& result) { return Megabytes(result.bytes_paper); })},
      {"accuracy", true, AccuracyText},
      {"seconds", true, OfResults(Seconds)},
      {"bytes: synchronous / this", true,
       [&groups](const Group& group) {
         return RatioText(group, groups, [](const Group& of) { return of.OfResults(Sent); });
       }},
      {"seconds: synchronous / this", true,
       [&groups](const Group& group) {
         return RatioText(group, groups, [](const Group& of) { return of.OfResults(Seconds); });
       }},
  };
}

std::vector<Column> ColumnsOf(const std::vector<Group>& groups) {
  std::vector<Column> columns = {
      {"strategy", false, [](const Group& group) { return group.family; }},
      {"parameters", false, [](const Group& group) { return group.parameter; }},
      {"K", true, [](const Group& group) { return group.ValueOf("run.workers"); }},
      {"partition", false, [](const Group& group) { return group.ValueOf("data.partition"); }},
      {"other settings", false, [](const Group& group) { return group.others; }},
      {"seeds", false, SeedsOf},
      {"runs that failed", false, StateText},
      {"reached", true, ReachedText},
  };
  for (Column& column : ResultColumns(groups)) columns.push_back(std::move(column));
  columns.erase(std::remove_if(columns.begin(), columns.end(),
                               [&groups](const Column& column) {
                                 return std::all_of(groups.begin(), groups.end(),
                                                    [&column](const Group& group) {
                                                      return column.text(group).empty();
                                                    });
                               }),
                columns.end());
  return columns;
}

std::string RenderItems(const std::string& items) {
  return items.empty() ? "" : absl::StrCat("<ul>", items, "</ul>\n");
}

}  // namespace

std::string RenderPointTable(const std::vector<Group>& groups) {
  const std::vector<Column> columns = ColumnsOf(groups);
  std::string table = "<div class=\"table\"><table><thead><tr>";
  for (const Column& column : columns) {
    absl::StrAppend(&table, "<th", column.is_number ? " class=\"n\"" : "", ">",
                    Escape(column.title), "</th>");
  }
  table += "</tr></thead><tbody>\n";
  for (const Group& group : groups) {
    table += "<tr>";
    for (const Column& column : columns) {
      const std::string text = column.text(group);
      absl::StrAppend(&table, "<td", column.is_number ? " class=\"n\"" : "", ">",
                      &column == &columns.front()
                          ? absl::StrCat("<i class=\"dot c", group.color, "\"></i>")
                          : "",
                      text.empty() ? kNothing : Escape(Shorten(text, 120)), "</td>");
    }
    table += "</tr>\n";
  }
  return table +
         "</tbody></table></div>\n<p class=\"caption\">Medians over the runs of a point that have "
         "a "
         "result; the range over its seeds in brackets. K: workers at the start. MB sent: by all "
         "workers and the head, without the tests.</p>\n";
}

std::string RenderFailures(const std::vector<Group>& groups) {
  std::string items;
  for (const Group& group : groups) {
    for (const Trial* trial : group.trials) {
      if (trial->state != TrialState::kFailed) continue;
      const runtime::UserError error = trial->error.value_or(runtime::UserError{});
      absl::StrAppend(&items, "<li><b>", Escape(Shorten(group.Label(), 120)), "</b>, seed ",
                      trial->seed, ": <code>", Escape(Shorten(error.code, 60)), "</code> ",
                      Escape(Shorten(error.message, 600)), " ", Escape(Shorten(error.hint, 300)),
                      "</li>\n");
    }
  }
  return RenderItems(items);
}

std::string RenderNotes(const std::vector<Group>& groups) {
  constexpr std::size_t kMostNotes = 100;
  std::string items;
  std::size_t count = 0;
  for (const Group& group : groups) {
    for (const Trial* trial : group.trials) {
      for (const std::string& note : trial->notes) {
        if (++count > kMostNotes) continue;
        absl::StrAppend(&items, "<li><b>", Escape(Shorten(group.Label(), 120)), "</b>, seed ",
                        trial->seed, ": ", Escape(Shorten(note, 400)), "</li>\n");
      }
    }
  }
  if (count > kMostNotes) absl::StrAppend(&items, "<li>", count - kMostNotes, " more</li>\n");
  return RenderItems(items);
}

}  // namespace apps::report
