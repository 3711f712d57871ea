// `rondo run`: resolve the config, then train here or submit it.
#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "actors/run_config.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

std::vector<std::string> EnvironmentLines() {
  std::vector<std::string> lines;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line)
    lines.emplace_back(*line);
  return lines;
}

absl::StatusOr<actors::ResolvedConfig> Resolve(const RunOptions& options) {
  actors::ConfigSources sources;
  ASSIGN_OR_RETURN(sources.text, actors::ReadConfigFile(options.config_path));
  sources.name = options.config_path;
  sources.environment = EnvironmentLines();
  sources.overrides = options.overrides;
  return actors::ResolveRunConfig(sources);
}

// Every value and its origin: as TOML for people, as {"config": TOML, "origins": {...}} for --json.
void PrintResolved(const actors::ResolvedConfig& resolved, Output& output) {
  nlohmann::ordered_json json;
  json["config"] = actors::ToToml(resolved.config);
  json["origins"] = resolved.origins;
  output.Data("run", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  output.Text(actors::ToToml(resolved));
}

// A head and workers on this machine, which end with the run.
absl::StatusOr<int> RunEmbedded(const actors::ResolvedConfig& resolved, const RunOptions& options,
                                Output& output) {
  return NotConnected("run");
}

// On the cluster of `options.head`, followed to its end.
absl::StatusOr<int> RunSubmitted(const actors::ResolvedConfig& resolved, const RunOptions& options,
                                 Output& output) {
  return NotConnected("run");
}

}  // namespace

absl::StatusOr<int> Run(const RunOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const actors::ResolvedConfig resolved, Resolve(options));
  if (options.dry_run) {
    PrintResolved(resolved, output);
    return 0;
  }
  return options.head.has_value() ? RunSubmitted(resolved, options, output)
                                  : RunEmbedded(resolved, options, output);
}

}  // namespace apps
