// The verbs that compare runs and judge what they have left: sweep, report, evaluate.
#include "apps/rondo/command_line_parts.h"
#include "apps/rondo/verb_parser.h"
#include "runtime/base/status.h"

namespace apps {

absl::StatusOr<Command> ParseSweep(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("sweep", "CONFIG [FLAGS]",
                    "Make all runs of the [sweep] of CONFIG, one after the other, and a table of "
                    "them. What has ended is kept in DIR/results.jsonl and results.csv; the same "
                    "command goes on after a crash or Ctrl-C and makes no run twice.");
  SweepOptions options;
  std::string head, run_timeout = "24h";
  std::vector<std::string> sets;
  parser.AllowJsonl();
  parser.Positional("CONFIG", &options.config_path,
                    "a TOML file with a [sweep], such as apps/examples/paper-lenet5.toml");
  parser.Text("--out", "DIR", &options.out, "for results and runs; default sweeps/NAME-OF-CONFIG");
  parser.Text("--head", "WHERE", &head, "make the runs there; else RONDO_HEAD, else here");
  parser.Switch("--dry-run", &options.dry_run, "list the runs; make none");
  parser.Switch("--retry-failed", &options.retry_failed, "make again what failed before");
  parser.Text("--run-timeout", "TIME", &run_timeout,
              "a run that takes longer has failed; default 24h");
  parser.Texts("--set", "KEY=VALUE", &sets, "override a key in all runs: --set run.max_steps=100");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (options.config_path.empty()) {
    return parser.Missing("CONFIG", "try rondo sweep apps/examples/paper-lenet5.toml --dry-run");
  }
  for (const std::string& set : sets) {
    ASSIGN_OR_RETURN(actors::ConfigOverride override, ParseSet(set));
    options.overrides.push_back(std::move(override));
  }
  ASSIGN_OR_RETURN(options.run_timeout, ParseDuration("--run-timeout", run_timeout));
  options.head = ChooseHead(head, environment);
  return parser.Made(options);
}

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

absl::StatusOr<Command> ParseEvaluate(const Arguments& arguments, const Environment&) {
  VerbParser parser("evaluate", "MODEL [FLAGS]",
                    "Test a saved model on the whole test set: accuracy and mean loss. MODEL is a "
                    "TorchScript file NAME.pt, or the folder of a run, whose config.toml says the "
                    "data.");
  EvaluateOptions options;
  parser.Positional("MODEL", &options.model, "a file NAME.pt, or a run's folder with model.pt");
  parser.Text("--data", "SOURCE", &options.source, "as data.source: digits, mnist, ...");
  parser.Text("--dir", "DIR", &options.dir, "as data.dir: where its files lie");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (options.model.empty()) {
    return parser.Missing("MODEL", "try rondo evaluate runs/ID, or FILE.pt --data digits");
  }
  return parser.Made(options);
}

}  // namespace apps
