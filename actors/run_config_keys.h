// The keys of a config: names, ranges and where each value lives, in one list that reading,
// printing and suggesting share. Private to run_config*.cc and to the command line, which lists
// them.
#ifndef RONDO_ACTORS_RUN_CONFIG_KEYS_H_
#define RONDO_ACTORS_RUN_CONFIG_KEYS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/run_config.h"

namespace actors {

// A scalar of TOML.
using ConfigValue = std::variant<bool, std::int64_t, double, std::string>;

// As TOML writes it: 2, 2.0, true, "text". Numbers keep their last bit.
std::string ToTomlLiteral(const ConfigValue& value);

// Why a value is refused. `rule` completes "section.key ...": "must be an integer from 1 to 32".
struct ConfigProblem {
  std::string code;
  std::string rule;
  std::string hint;
};

struct ConfigKey {
  std::string section;
  std::string name;
  // Takes text alone, so a flag's value is text even where it looks like a number.
  bool is_text = false;
  std::function<std::optional<ConfigProblem>(RunConfig&, const ConfigValue&)> set;
  std::function<ConfigValue(const RunConfig&)> get;

  std::string FullName() const { return section + "." + name; }
};

// In the order in which they are printed, sections together.
const std::vector<ConfigKey>& ConfigKeys();
// Null if there is none.
const ConfigKey* FindConfigKey(const std::string& full_name);
std::vector<std::string> ConfigKeyNames();
// Names that the design has and this version does not honour yet.
const std::vector<std::string>& LaterConfigKeys();

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_KEYS_H_
