// The [sweep] of a config: which keys take which values, in how many runs. Text to lists, judged
// only as far as they go without the rest of the config. Pure.
//
//   [sweep]
//   seeds = [1, 2, 3]              # run.seed
//   match_tau = "fda"              # local and clock without a tau take it from fda's runs
//   [sweep.axes]                   # of every case that does not say otherwise
//   run.workers = [5, 10]
//   [[sweep.cases]]                # all combinations of its values; without cases, of the axes
//   strategy.name = "fda"
//   strategy.theta = [0.5, 2, 7]
//   [[sweep.cases]]
//   strategy.name = "local"
//   seeds = [1]                    # instead of the sweep's
#ifndef RONDO_ACTORS_SWEEP_SWEEP_CONFIG_H_
#define RONDO_ACTORS_SWEEP_SWEEP_CONFIG_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "actors/run_config_keys.h"

namespace actors {

struct SweepAxis {
  std::string key;  // "strategy.theta".
  std::vector<ConfigValue> values;
  std::string origin;  // "paper.toml:12".
};

struct SweepCase {
  std::vector<SweepAxis> axes;       // By key.
  std::vector<std::uint64_t> seeds;  // Not empty.
};

struct SweepConfig {
  bool match_tau = false;
  std::vector<SweepCase> cases;  // With the axes that all share; at least one.
};

// CONFIG_SYNTAX, CONFIG_UNKNOWN_KEY, CONFIG_WRONG_TYPE, CONFIG_INVALID_VALUE; NO_SWEEP: `text` has
// no [sweep]. All exit 2.
absl::StatusOr<SweepConfig> ReadSweepConfig(const std::string& text, const std::string& name);

}  // namespace actors

#endif  // RONDO_ACTORS_SWEEP_SWEEP_CONFIG_H_
