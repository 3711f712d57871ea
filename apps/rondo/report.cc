// `rondo report`: what runs came to, as one HTML page.
#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>

#include "apps/rondo/format.h"
#include "apps/rondo/report/groups.h"
#include "apps/rondo/report/page.h"
#include "apps/rondo/report/read_trials.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/atomic_file.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {

absl::StatusOr<int> Report(const ReportOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::vector<report::Trial> trials, report::ReadTrials(options.runs));
  if (trials.empty()) {
    return runtime::MakeError("NO_RUNS", runtime::Exit::kNotFound,
                              "there is no run in what was given: the sweep has no line yet",
                              "wait for its first run to end");
  }
  const std::vector<report::Group> groups = report::MakeGroups(trials);
  const std::string page = report::RenderPage({.title = options.title}, groups);
  const absl::Status written = runtime::ReplaceFile(options.out, page);
  if (!written.ok()) {
    return runtime::MakeError("OUTPUT_FAILED", runtime::Exit::kRunFailed,
                              std::string(written.message()),
                              "give -o a file in a writable folder with space");
  }
  nlohmann::ordered_json json;
  json["path"] = options.out;
  json["runs"] = trials.size();
  json["points"] = groups.size();
  json["bytes"] = page.size();
  output.Data("report", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  output.Text(absl::StrCat("wrote ", options.out, ": ", FormatCount(trials.size()),
                           trials.size() == 1 ? " run, " : " runs, ", FormatCount(groups.size()),
                           groups.size() == 1 ? " point, " : " points, ",
                           FormatBytes(page.size())));
  return 0;
}

}  // namespace apps
