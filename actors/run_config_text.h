// TOML text to scalars with their places, without judging them. Private to run_config*.cc. The TOML
// library is seen by its own file and sweep/sweep_config.cc alone.
#ifndef RONDO_ACTORS_RUN_CONFIG_TEXT_H_
#define RONDO_ACTORS_RUN_CONFIG_TEXT_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "actors/run_config_keys.h"

namespace actors {

struct GivenValue {
  std::string key;                   // "strategy.theta".
  std::optional<ConfigValue> value;  // None: not a scalar.
  std::string kind;                  // What it is then: "an array", "a table".
  std::string origin;                // "mnist.toml:12", "--set".
  std::string place;      // Of the value, "mnist.toml:12:9"; empty for flags and the environment.
  std::string key_place;  // Of the key.
};

// Every key of `text` in any order, without those of [sweep] (sweep/sweep_config.h). CONFIG_SYNTAX.
absl::StatusOr<std::vector<GivenValue>> ReadConfigText(const std::string& text,
                                                       const std::string& name);
// `text` as a TOML value, or as plain text if it is none. CONFIG_SYNTAX: no UTF-8.
absl::StatusOr<GivenValue> ReadOverride(const std::string& key, const std::string& text,
                                        const std::string& origin);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_TEXT_H_
