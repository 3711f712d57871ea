// The verbs that look at what runs came to: report.
#include "apps/rondo/command_line_parts.h"
#include "apps/rondo/verb_parser.h"
#include "runtime/base/status.h"

namespace apps {

absl::StatusOr<Command> ParseReport(const Arguments& arguments, const Environment&) {
  VerbParser parser("report", "RUN... [FLAGS]",
                    "Make one HTML page with charts and a table of what runs came to. It needs "
                    "nothing else, no network and no script, and can be sent as it is.");
  ReportOptions options;
  parser.Positionals("RUN", &options.runs,
                     "a run's folder, its metrics.jsonl, a sweep's folder, or its results.jsonl");
  parser.Text("-o,--out", "FILE", &options.out, "the page; default report.html");
  parser.Text("--title", "TEXT", &options.title, "its heading; default Rondo report");
  parser.Footer(
      "Runs that differ in their seed only are one point: medians, with their range. Runs that\n"
      "failed or missed their target are in the table with the others.");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (options.runs.empty()) return parser.Missing("RUN", "try rondo report runs/ID");
  return parser.Made(options);
}

}  // namespace apps
