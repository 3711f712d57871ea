#include "apps/rondo/runs_text.h"

#include <absl/strings/str_cat.h>

#include <utility>
#include <vector>

#include "actors/run_result.h"
#include "apps/rondo/format.h"
#include "apps/rondo/output.h"
#include "apps/rondo/progress.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

absl::Status Unreadable() {
  return runtime::MakeError("BAD_STATUS", runtime::Exit::kIncompatible,
                            "the head's answer about its runs cannot be read: it is another "
                            "version's",
                            "compare rondo version on both machines");
}

std::string StepOf(const Json& run) {
  const std::uint64_t of = CountOf(run, "max_steps");
  return absl::StrCat(FormatCount(CountOf(run, "step")), of == 0 ? "" : "/",
                      of == 0 ? "" : FormatCount(of));
}

std::string AccuracyOf(const Json& run) {
  const auto found = run.find("accuracy");
  return found != run.end() && found->is_number() ? FormatPercent(found->get<double>()) : "";
}

// "b-0 (slot 0), b-1 (slot 1)".
std::string MembersOf(const Json& run) {
  std::string text;
  const auto members = run.find("members");
  if (members == run.end() || !members->is_array()) return text;
  for (const Json& member : *members) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", TextOf(member, "name"), " (slot ",
                    CountOf(member, "slot"), ")");
  }
  return text;
}

}  // namespace

absl::StatusOr<Json> ReadRuns(const std::string& json) {
  Json reply = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!reply.is_object() || !reply.contains("runs") || !reply["runs"].is_array()) {
    return Unreadable();
  }
  for (const Json& run : reply["runs"]) {
    if (!run.is_object()) return Unreadable();
  }
  return std::move(reply["runs"]);
}

absl::StatusOr<Json> ReadRun(const std::string& json) {
  ASSIGN_OR_RETURN(Json runs, ReadRuns(json));
  if (runs.size() != 1) return Unreadable();
  return std::move(runs[0]);
}

absl::Status ErrorOf(const Json& run) {
  const std::string state = TextOf(run, "state");
  if (state != "failed" && state != "aborted") return absl::OkStatus();
  const std::string code = TextOf(run, "code");
  const absl::StatusOr<runtime::Exit> exit =
      runtime::ExitOf(static_cast<int>(CountOf(run, "exit") % 256));
  return runtime::MakeError(code.empty() ? "RUN_FAILED" : code,
                            exit.value_or(runtime::Exit::kRunFailed), TextOf(run, "message"),
                            TextOf(run, "hint"));
}

std::string RenderRuns(const Json& runs, const std::string& head) {
  if (runs.empty()) {
    return absl::StrCat("no runs; start one with: rondo run CONFIG --head ", head, "\n");
  }
  std::vector<std::vector<std::string>> rows = {
      {"run", "state", "strategy", "step", "syncs", "accuracy", "sent", "submitted", "why"}};
  for (const Json& run : runs) {
    rows.push_back({TextOf(run, "run_id"), TextOf(run, "state"), TextOf(run, "strategy"),
                    StepOf(run), FormatCount(CountOf(run, "syncs")), AccuracyOf(run),
                    FormatBytes(CountOf(run, "bytes_total")),
                    FormatSeconds(SecondsOf(run, "submitted_seconds_ago")) + " ago",
                    IsOn(run) ? "waits for " + TextOf(run, "waits_for") : TextOf(run, "code")});
  }
  return RenderTable(rows);
}

std::string RenderRun(const Json& run) {
  std::string text = absl::StrCat("run ", TextOf(run, "run_id"), " ", TextOf(run, "state"), "\n");
  if (TextOf(run, "state") == "done") {
    const absl::StatusOr<actors::RunResult> result = actors::RunResultFromJson(run.dump());
    if (result.ok()) return text + RenderResult(*result);
  }
  absl::StrAppend(&text, "steps ", StepOf(run), "\nsynchronizations ",
                  FormatCount(CountOf(run, "syncs")), "\nbytes ",
                  FormatBytes(CountOf(run, "bytes_total")), "\n");
  if (const std::string members = MembersOf(run); !members.empty()) {
    absl::StrAppend(&text, "workers ", members, "\n");
  }
  if (IsOn(run)) absl::StrAppend(&text, "waits for ", TextOf(run, "waits_for"), "\n");
  absl::StrAppend(&text, "files ", TextOf(run, "folder"), " on the head's machine\n");
  if (const absl::Status error = ErrorOf(run); !error.ok()) {
    absl::StrAppend(&text, HumanError(error, /*color=*/false));
  }
  return text;
}

}  // namespace apps
