// The kinds of keys that a config has: integers, numbers, names and texts, with their ranges and
// what is said of a value outside. Private to run_config_keys.cc.
#ifndef RONDO_ACTORS_RUN_CONFIG_KEY_KINDS_H_
#define RONDO_ACTORS_RUN_CONFIG_KEY_KINDS_H_

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "actors/run_config_keys.h"
#include "actors/run_config_names.h"
#include "runtime/base/nearest.h"

namespace actors {

// Says that an optional value is not set.
inline constexpr char kNone[] = "none";

inline std::string Quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    absl::StrAppend(&text, text.empty() ? "" : ", ", "\"", name, "\"");
  return text;
}

// ---- refusals ----

inline ConfigProblem WrongType(const std::string& expected, const ConfigValue& value) {
  return {"CONFIG_WRONG_TYPE", absl::StrCat("must be ", expected, ", not ", ToTomlLiteral(value)),
          ""};
}

inline ConfigProblem OutOfRange(const std::string& expected, const ConfigValue& value) {
  return {"CONFIG_INVALID_VALUE",
          absl::StrCat("must be ", expected, ", not ", ToTomlLiteral(value)), ""};
}

inline ConfigProblem NotAvailable(const std::string& name, const std::string& available_now) {
  return {"CONFIG_NOT_AVAILABLE", absl::StrCat("= \"", name, "\" is not available in this version"),
          "available now: " + available_now};
}

inline bool Contains(const std::vector<std::string>& names, const std::string& name) {
  for (const std::string& candidate : names) {
    if (candidate == name) return true;
  }
  return false;
}

// `value` is none of the names that the key takes.
inline ConfigProblem WrongName(const std::string& value, const std::vector<std::string>& now,
                               const std::vector<std::string>& later) {
  if (Contains(later, value)) return NotAvailable(value, Quoted(now));
  ConfigProblem problem = OutOfRange("one of " + Quoted(now), value);
  problem.hint = runtime::DidYouMean(value, now);
  return problem;
}

// ---- kinds of keys; `access` gives the place of the value in a config ----

template <typename Access>
using Field = std::remove_reference_t<std::invoke_result_t<Access, RunConfig&>>;

struct IntegerRange {
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::int64_t multiple_of = 1;

  std::string Text() const {
    const std::string kind =
        multiple_of == 1 ? "an integer" : absl::StrCat("a multiple of ", multiple_of);
    return absl::StrCat(kind, " from ", low, " to ", high);
  }
  bool Holds(std::int64_t value) const {
    return value >= low && value <= high && value % multiple_of == 0;
  }
};

inline constexpr std::int64_t kMostSteps = 1'000'000'000'000;

template <typename Access>
ConfigKey Integer(const std::string& section, const std::string& name, Access access,
                  IntegerRange range) {
  ConfigKey key{section, name, false, nullptr, nullptr};
  key.set = [access, range](RunConfig& config,
                            const ConfigValue& value) -> std::optional<ConfigProblem> {
    const std::int64_t* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr) return WrongType(range.Text(), value);
    if (!range.Holds(*number)) return OutOfRange(range.Text(), value);
    access(config) = static_cast<Field<Access>>(*number);
    return std::nullopt;
  };
  key.get = [access](const RunConfig& config) -> ConfigValue {
    return static_cast<std::int64_t>(access(config));
  };
  return key;
}

template <typename Access>
ConfigKey OptionalInteger(const std::string& section, const std::string& name, Access access,
                          IntegerRange range) {
  ConfigKey key{section, name, false, nullptr, nullptr};
  key.set = [access, range](RunConfig& config,
                            const ConfigValue& value) -> std::optional<ConfigProblem> {
    const std::string expected = range.Text() + " or \"none\"";
    if (value == ConfigValue(std::string(kNone))) {
      access(config) = std::nullopt;
      return std::nullopt;
    }
    const std::int64_t* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr) return WrongType(expected, value);
    if (!range.Holds(*number)) return OutOfRange(expected, value);
    access(config) = static_cast<std::uint64_t>(*number);
    return std::nullopt;
  };
  key.get = [access](const RunConfig& config) -> ConfigValue {
    const auto& number = access(config);
    if (!number.has_value()) return std::string(kNone);
    return static_cast<std::int64_t>(*number);
  };
  return key;
}

struct NumberRange {
  double low = 0;
  double high = 0;
  bool low_excluded = false;
  bool high_excluded = false;

  std::string Text() const {
    return absl::StrCat("a number ", low_excluded ? "> " : ">= ", low, " and ",
                        high_excluded ? "< " : "<= ", high);
  }
  // NaN is in no range.
  bool Holds(double value) const {
    return (low_excluded ? value > low : value >= low) &&
           (high_excluded ? value < high : value <= high);
  }
};

inline std::optional<double> NumberIn(const ConfigValue& value) {
  if (const double* number = std::get_if<double>(&value)) return *number;
  if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*number);
  }
  return std::nullopt;
}

template <typename Access>
ConfigKey Number(const std::string& section, const std::string& name, Access access,
                 NumberRange range) {
  ConfigKey key{section, name, false, nullptr, nullptr};
  key.set = [access, range](RunConfig& config,
                            const ConfigValue& value) -> std::optional<ConfigProblem> {
    const std::optional<double> number = NumberIn(value);
    if (!number.has_value()) return WrongType(range.Text(), value);
    if (!range.Holds(*number)) return OutOfRange(range.Text(), value);
    access(config) = *number;
    return std::nullopt;
  };
  key.get = [access](const RunConfig& config) -> ConfigValue { return access(config); };
  return key;
}

// A number, or the word `absent` for none.
template <typename Access>
ConfigKey OptionalNumber(const std::string& section, const std::string& name, Access access,
                         NumberRange range, const std::string& absent) {
  ConfigKey key{section, name, false, nullptr, nullptr};
  key.set = [access, range, absent](RunConfig& config,
                                    const ConfigValue& value) -> std::optional<ConfigProblem> {
    const std::string expected = absl::StrCat(range.Text(), ", or \"", absent, "\"");
    if (const std::string* word = std::get_if<std::string>(&value)) {
      if (*word != absent) return WrongType(expected, value);
      access(config) = std::nullopt;
      return std::nullopt;
    }
    const std::optional<double> number = NumberIn(value);
    if (!number.has_value()) return WrongType(expected, value);
    if (!range.Holds(*number)) return OutOfRange(expected, value);
    access(config) = *number;
    return std::nullopt;
  };
  key.get = [access, absent](const RunConfig& config) -> ConfigValue {
    const auto& number = access(config);
    if (!number.has_value()) return absent;
    return *number;
  };
  return key;
}

template <typename Access>
ConfigKey Switch(const std::string& section, const std::string& name, Access access) {
  ConfigKey key{section, name, false, nullptr, nullptr};
  key.set = [access](RunConfig& config, const ConfigValue& value) -> std::optional<ConfigProblem> {
    const bool* is_on = std::get_if<bool>(&value);
    if (is_on == nullptr) return WrongType("true or false", value);
    access(config) = *is_on;
    return std::nullopt;
  };
  key.get = [access](const RunConfig& config) -> ConfigValue { return access(config); };
  return key;
}

template <typename Access>
ConfigKey Choice(const std::string& section, const std::string& name, Access access,
                 const std::vector<std::string>& later = {}) {
  using Enum = Field<Access>;
  ConfigKey key{section, name, true, nullptr, nullptr};
  key.set = [access, later](RunConfig& config,
                            const ConfigValue& value) -> std::optional<ConfigProblem> {
    std::vector<std::string> now;
    for (const auto& [candidate, candidate_name] : NamesOf(Enum{})) now.push_back(candidate_name);
    const std::string* word = std::get_if<std::string>(&value);
    if (word == nullptr) return WrongType("one of " + Quoted(now), value);
    for (const auto& [candidate, candidate_name] : NamesOf(Enum{})) {
      if (candidate_name != *word) continue;
      access(config) = candidate;
      return std::nullopt;
    }
    return WrongName(*word, now, later);
  };
  key.get = [access](const RunConfig& config) -> ConfigValue { return ToString(access(config)); };
  return key;
}

using TextCheck = std::optional<ConfigProblem> (*)(const std::string&);

template <typename Access>
ConfigKey Text(const std::string& section, const std::string& name, Access access,
               TextCheck check) {
  ConfigKey key{section, name, true, nullptr, nullptr};
  key.set = [access, check](RunConfig& config,
                            const ConfigValue& value) -> std::optional<ConfigProblem> {
    const std::string* text = std::get_if<std::string>(&value);
    if (text == nullptr) return WrongType("text in quotes", value);
    std::optional<ConfigProblem> problem = check(*text);
    if (!problem.has_value()) access(config) = *text;
    return problem;
  };
  key.get = [access](const RunConfig& config) -> ConfigValue { return access(config); };
  return key;
}

inline std::optional<ConfigProblem> CheckPath(const std::string& text) {
  if (!absl::StrContains(text, '\0') && text.size() < 4096) return std::nullopt;
  return ConfigProblem{"CONFIG_INVALID_VALUE", "must be a path of less than 4096 characters", ""};
}

inline std::optional<ConfigProblem> CheckFolder(const std::string& text) {
  if (text.empty()) return OutOfRange("the path of a folder", text);
  return CheckPath(text);
}

inline std::optional<ConfigProblem> CheckDevice(const std::string& text) {
  if (text == "cpu") return std::nullopt;
  if (absl::StartsWith(text, "cuda")) return NotAvailable(text, "\"cpu\"");
  return OutOfRange("\"cpu\"", text);
}

// All of the text from `begin` on is a number.
template <typename Value>
std::optional<Value> NumberFrom(const std::string& text, std::size_t begin) {
  Value value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + begin, end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

inline std::optional<ConfigProblem> CheckPartition(const std::string& text) {
  const std::string expected =
      "\"iid\", \"sorted:PERCENT\" (0 to 100), \"label:LABEL\" (0 to 9) or \"dirichlet:A\" (A > 0, "
      "to 1e6)";
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (kind == "dirichlet" && colon != std::string::npos) {
    const auto value = NumberFrom<double>(text, colon + 1);
    const bool holds = value.has_value() && *value > 0 && *value <= 1e6;
    return holds ? std::nullopt : std::optional(OutOfRange(expected, text));
  }
  if (kind == "iid" && colon == std::string::npos) return std::nullopt;
  if ((kind != "sorted" && kind != "label") || colon == std::string::npos) {
    ConfigProblem problem = OutOfRange(expected, text);
    problem.hint = runtime::DidYouMean(kind, {"iid", "sorted", "label", "dirichlet"});
    return problem;
  }
  const auto value = NumberFrom<unsigned>(text, colon + 1);
  if (!value.has_value() || *value > (kind == "sorted" ? 100 : 9))
    return OutOfRange(expected, text);
  return std::nullopt;
}

inline std::optional<ConfigProblem> CheckDrift(const std::string& text) {
  if (text == "none") return std::nullopt;
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const bool known = colon != std::string::npos && (kind == "labels" || kind == "rotate");
  const auto steps = known ? NumberFrom<std::int64_t>(text, colon + 1) : std::nullopt;
  if (steps.has_value() && *steps >= 1 && *steps <= kMostSteps) return std::nullopt;
  ConfigProblem problem =
      OutOfRange("\"none\", \"labels:STEPS\" or \"rotate:STEPS\" (1 to 1e12 steps)", text);
  if (!known) problem.hint = runtime::DidYouMean(kind, {"none", "labels", "rotate"});
  return problem;
}

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_KEY_KINDS_H_
