// The verbs that judge what runs have left: evaluate.
#include "apps/rondo/command_line_parts.h"
#include "apps/rondo/verb_parser.h"
#include "runtime/base/status.h"

namespace apps {

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
