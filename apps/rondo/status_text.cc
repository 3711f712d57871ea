#include "apps/rondo/status_text.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "apps/rondo/format.h"
#include "apps/rondo/head_json.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Of a worker's drift, two columns in the table of the nodes.
constexpr std::size_t kDriftColumn = 9;

// Runs that have ended and are still shown.
constexpr std::size_t kEndedShown = 5;

std::string Plural(std::size_t count, const std::string& noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::size_t CountRole(const Json& json, const std::string& role) {
  std::size_t count = 0;
  for (const Json& node : json["nodes"]) count += TextOf(node, "role") == role ? 1 : 0;
  return count;
}

// Whether the head could connect to it; "" where it did not try.
std::string Reachable(const Json& node) {
  const auto found = node.find("reachable");
  if (found == node.end() || !found->is_boolean()) return "";
  return found->get<bool>() ? "yes" : "no";
}

// A number of a worker's drift in the last round that it told of; "" if there is none.
std::string DriftOf(const Json& node, const char* name) {
  const auto drift = node.find("drift");
  if (drift == node.end() || !drift->is_object()) return "";
  const auto value = drift->find(name);
  return value == drift->end() || !value->is_number() ? "" : FormatNumber(value->get<double>());
}

// Steps per second; "" where none are taken.
std::string Pace(const Json& node) {
  const auto found = node.find("steps_per_second");
  if (found == node.end() || !found->is_number()) return "";
  return FormatNumber(found->get<double>());
}

// Those who ask, this status among them, are no part of the cluster.
std::string RenderNodes(const Json& json) {
  Rows rows = {{"node", "id", "role", "slot", "state", "steps/s", "reachable", "up", "pid", "drift",
                "cosine", "why"}};
  bool any_drift = false;
  for (const Json& node : json["nodes"]) {
    if (TextOf(node, "role") == "client") continue;
    rows.push_back({TextOf(node, "name"), TextOf(node, "id").substr(0, 8), TextOf(node, "role"),
                    node.contains("slot") ? std::to_string(CountOf(node, "slot")) : "",
                    TextOf(node, "state"), Pace(node), Reachable(node),
                    FormatSeconds(SecondsOf(node, "seconds")), std::to_string(CountOf(node, "pid")),
                    DriftOf(node, "norm"), DriftOf(node, "cosine_to_others"),
                    TextOf(node, "reason")});
    any_drift = any_drift || !rows.back()[kDriftColumn].empty();
  }
  std::sort(rows.begin() + 1, rows.end());
  for (std::vector<std::string>& row : rows) {
    const auto drift = row.begin() + kDriftColumn;
    if (!any_drift) row.erase(drift, drift + 2);
  }
  if (rows.size() == 1) {
    return absl::StrCat("no nodes; add this machine with: rondo join ", TextOf(json, "address"),
                        "\n");
  }
  return RenderTable(rows);
}

std::string StepOf(const Json& run) {
  const std::string step = FormatCount(CountOf(run, "step"));
  const std::uint64_t of = CountOf(run, "max_steps");
  return of == 0 ? step : absl::StrCat(step, "/", FormatCount(of));
}

std::string RenderRuns(const Json& json) {
  const Json& runs = json["runs"];
  std::size_t ended = 0;
  for (const Json& run : runs) ended += IsOn(run) ? 0 : 1;
  std::size_t hidden = ended > kEndedShown ? ended - kEndedShown : 0;
  Rows rows = {{"run", "state", "step", "syncs", "workers", "sent", "waits for"}};
  for (const Json& run : runs) {
    if (!IsOn(run) && hidden > 0) {
      --hidden;
      continue;
    }
    rows.push_back({TextOf(run, "run_id"), TextOf(run, "state"), StepOf(run),
                    FormatCount(CountOf(run, "syncs")), FormatCount(CountOf(run, "workers")),
                    FormatBytes(CountOf(run, "bytes_total")),
                    IsOn(run) ? TextOf(run, "waits_for") : TextOf(run, "code")});
  }
  if (rows.size() == 1) {
    return absl::StrCat("no runs; start one with: rondo run CONFIG --head ",
                        TextOf(json, "address"), "\n");
  }
  return RenderTable(rows);
}

// "handshake 2, frame 1", or "" if all are zero.
std::string RenderCounts(const Json& json, const char* name, std::string (*format)(std::uint64_t)) {
  std::string text;
  const auto counts = json.find(name);
  if (counts == json.end() || !counts->is_object()) return text;
  for (const auto& [kind, count] : counts->items()) {
    if (!count.is_number_unsigned() || count.get<std::uint64_t>() == 0 || kind == "total") continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", kind, " ", format(count.get<std::uint64_t>()));
  }
  return text;
}

std::string OrNothing(const std::string& text) { return text.empty() ? "nothing" : text; }

}  // namespace

absl::StatusOr<Json> ReadStatus(const std::string& text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool whole = json.is_object() && json.contains("nodes") && json["nodes"].is_array() &&
                     json.contains("runs") && json["runs"].is_array();
  if (whole) return json;
  return runtime::MakeError("BAD_STATUS", runtime::Exit::kIncompatible,
                            "the head's status cannot be read: it is another version's",
                            "compare rondo version on both machines");
}

absl::StatusOr<std::string> RenderStatus(const std::string& json_text) {
  ASSIGN_OR_RETURN(const Json json, ReadStatus(json_text));
  return absl::StrCat(
      "head ", TextOf(json, "address"), "  up ", FormatSeconds(SecondsOf(json, "seconds")), "  ",
      Plural(CountRole(json, "worker"), "worker"), "\n\n", RenderNodes(json), "\n",
      RenderRuns(json), "\nhead sent     ", OrNothing(RenderCounts(json, "sent", FormatBytes)),
      "\ndropped       ", OrNothing(RenderCounts(json, "dropped", FormatCount)), "\n");
}

absl::StatusOr<std::string> RenderWhatIsOn(const std::string& json_text) {
  ASSIGN_OR_RETURN(const Json json, ReadStatus(json_text));
  std::string text;
  for (const Json& run : json["runs"]) {
    if (!IsOn(run)) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", "run ", TextOf(run, "run_id"), " at step ",
                    FormatCount(CountOf(run, "step")));
  }
  if (const std::size_t workers = CountRole(json, "worker"); workers > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", Plural(workers, "worker"));
  }
  return text;
}

}  // namespace apps
