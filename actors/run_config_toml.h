// What the two readers of TOML share: the library, and places and errors of ours. Private to
// run_config_text.cc and sweep/sweep_config.cc; it costs some seconds to compile.
#ifndef RONDO_ACTORS_RUN_CONFIG_TOML_H_
#define RONDO_ACTORS_RUN_CONFIG_TOML_H_

#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <optional>
#include <string>

#include "actors/run_config_keys.h"
#include "runtime/base/error.h"

// Errors come back as values; the header-only form keeps rondo free of one more shared library.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace actors {

// "mnist.toml:12:9".
inline std::string PlaceOf(const std::string& name, const toml::source_position& position) {
  return absl::StrCat(name, ":", position.line, ":", position.column);
}

inline absl::Status SyntaxError(const toml::parse_error& error, const std::string& name) {
  const std::string description(error.description());
  const bool is_duplicate = absl::StrContains(description, "redefine");
  return runtime::MakeError("CONFIG_SYNTAX", runtime::Exit::kUsage,
                            absl::StrCat(PlaceOf(name, error.source().begin), ": ", description),
                            is_duplicate
                                ? "give every key once"
                                : "the file is TOML: [section] lines, then key = value lines");
}

inline std::optional<ConfigValue> ScalarOf(const toml::node& node) {
  if (const auto* value = node.as_boolean()) return ConfigValue(value->get());
  if (const auto* value = node.as_integer()) return ConfigValue(value->get());
  if (const auto* value = node.as_floating_point()) return ConfigValue(value->get());
  if (const auto* value = node.as_string()) return ConfigValue(value->get());
  return std::nullopt;
}

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_TOML_H_
