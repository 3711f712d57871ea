// The verbs about runs and nodes that a cluster has: stop, runs, show, leave.
#include "apps/rondo/command_line_parts.h"
#include "apps/rondo/verb_parser.h"
#include "runtime/base/status.h"

namespace apps {

absl::StatusOr<Command> ParseStop(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("stop", "[RUN] [FLAGS]",
                    "End a run at its next step boundary, with a last synchronization, and wait "
                    "until it has ended. Its model is saved as of any run that ends.");
  StopOptions options;
  std::string head, timeout = "10m";
  bool no_wait = false;
  parser.Positional("RUN", &options.run_id, "the run's id; default: the run that is on");
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  parser.Switch("--no-wait", &no_wait, "do not wait for its end");
  parser.Text("--timeout", "TIME", &timeout, "how long to wait, such as 30s; default 10m");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  ASSIGN_OR_RETURN(options.timeout, ParseDuration("--timeout", timeout));
  options.head = ChooseHead(head, environment);
  options.wait = !no_wait;
  return parser.Made(options);
}

absl::StatusOr<Command> ParseRuns(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("runs", "[FLAGS]",
                    "List the runs that a head has seen since it started: queued, running, paused "
                    "(too few workers), done, failed or aborted.");
  std::string head;
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  return parser.Made(RunsOptions{ChooseHead(head, environment)});
}

absl::StatusOr<Command> ParseShow(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("show", "RUN [FLAGS]",
                    "Show how far a run is, or what it has come to; with --fetch also bring its "
                    "files here.");
  ShowOptions options;
  std::string head;
  parser.Positional("RUN", &options.run_id, "the run's id, as rondo runs lists it");
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  parser.Text("--fetch", "DIR", &options.fetch,
              "bring config.toml, metrics.jsonl and model.pt into this folder");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (options.run_id.empty()) return parser.Missing("RUN", "rondo runs lists them");
  options.head = ChooseHead(head, environment);
  return parser.Made(options);
}

absl::StatusOr<Command> ParseLeave(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("leave", "[NODE] [FLAGS]",
                    "Let a worker, or all workers of a machine, leave the cluster in order: what "
                    "they have learned is averaged in first. Waits until they are gone.");
  LeaveOptions options;
  std::string head, timeout = "2m";
  parser.Positional("NODE", &options.node,
                    "a worker's name or id, or a machine's name; default: this host's");
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  parser.Text("--timeout", "TIME", &timeout, "how long to wait, such as 30s; default 2m");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  ASSIGN_OR_RETURN(options.timeout, ParseDuration("--timeout", timeout));
  options.head = ChooseHead(head, environment);
  return parser.Made(options);
}

}  // namespace apps
