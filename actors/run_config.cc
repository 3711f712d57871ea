#include "actors/run_config.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "actors/run_config_checks.h"
#include "actors/run_config_keys.h"
#include "actors/run_config_text.h"
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

// The value that counts for each key, by full name.
using Winners = std::map<std::string, GivenValue>;

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) absl::StrAppend(&text, text.empty() ? "" : ", ", name);
  return text;
}

std::vector<std::string> SectionNames() {
  std::vector<std::string> names;
  for (const ConfigKey& key : ConfigKeys()) {
    if (names.empty() || names.back() != key.section) names.push_back(key.section);
  }
  return names;
}

// "mnist.toml:3:5: " before the message, or " (from --set)" behind it.
std::string PlacedAt(const std::string& place, const GivenValue& given,
                     const std::string& message) {
  if (!place.empty()) return absl::StrCat(place, ": ", message);
  return absl::StrCat(message, " (from ", given.origin, ")");
}
std::string Placed(const GivenValue& given, const std::string& message) {
  return PlacedAt(given.place, given, message);
}
std::string PlacedAtKey(const GivenValue& given, const std::string& message) {
  return PlacedAt(given.key_place, given, message);
}

absl::Status CheckKnown(const GivenValue& given) {
  if (FindConfigKey(given.key) != nullptr) return absl::OkStatus();
  const std::string section = given.key.substr(0, given.key.find('.'));
  for (const std::string& later : LaterConfigKeys()) {
    if (given.key != later && !absl::StartsWith(given.key, later + ".")) continue;
    return MakeError("CONFIG_NOT_AVAILABLE", Exit::kUsage,
                     PlacedAtKey(given, given.key + " is not available in this version"),
                     "leave the key out");
  }
  for (const std::string& name : SectionNames()) {
    if (given.key != name) continue;
    return MakeError("CONFIG_WRONG_TYPE", Exit::kUsage,
                     PlacedAtKey(given, name + " must be a section, not a value"),
                     absl::StrCat("write [", name, "] on a line of its own"));
  }
  std::vector<std::string> siblings;
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.section == section) siblings.push_back(key.FullName());
  }
  if (!siblings.empty()) {
    return MakeError("CONFIG_UNKNOWN_KEY", Exit::kUsage,
                     PlacedAtKey(given, "unknown key " + given.key),
                     runtime::DidYouMean(given.key, siblings, "the keys are " + Join(siblings)));
  }
  std::string hint = "the sections are " + Join(SectionNames());
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.name == given.key) hint = "did you mean " + key.FullName() + "?";
  }
  return MakeError("CONFIG_UNKNOWN_KEY", Exit::kUsage,
                   PlacedAtKey(given, absl::StrCat("unknown section or key ", given.key)),
                   runtime::DidYouMean(section, SectionNames(), hint));
}

// RONDO_STRATEGY_THETA -> strategy.theta; empty if `name` is not of the form RONDO_<SECTION>_<KEY>.
std::string KeyOfVariable(const std::string& name) {
  for (const std::string& section : SectionNames()) {
    const std::string prefix = absl::StrCat("RONDO_", absl::AsciiStrToUpper(section), "_");
    if (!absl::StartsWith(name, prefix)) continue;
    return absl::StrCat(section, ".", absl::AsciiStrToLower(name.substr(prefix.size())));
  }
  return "";
}

absl::Status AddEnvironment(const std::vector<std::string>& environment, Winners& winners) {
  for (const std::string& variable : environment) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = variable.substr(0, equals);
    const std::string key = KeyOfVariable(name);
    if (key.empty()) continue;
    ASSIGN_OR_RETURN(GivenValue given, ReadOverride(key, variable.substr(equals + 1), name));
    RETURN_IF_ERROR(CheckKnown(given));
    winners[key] = std::move(given);
  }
  return absl::OkStatus();
}

absl::Status AddOverrides(const std::vector<ConfigOverride>& overrides, Winners& winners) {
  for (const ConfigOverride& flag : overrides) {
    ASSIGN_OR_RETURN(GivenValue given, ReadOverride(flag.key, flag.value, flag.origin));
    RETURN_IF_ERROR(CheckKnown(given));
    winners[flag.key] = std::move(given);
  }
  return absl::OkStatus();
}

absl::Status Apply(const Winners& winners, ResolvedConfig& resolved) {
  for (const ConfigKey& key : ConfigKeys()) {
    const std::string name = key.FullName();
    resolved.origins[name] = kDefaultOrigin;
    const auto winner = winners.find(name);
    if (winner == winners.end()) continue;
    const GivenValue& given = winner->second;
    if (!given.value.has_value()) {
      return MakeError(
          "CONFIG_WRONG_TYPE", Exit::kUsage,
          Placed(given, absl::StrCat(name, " must be a single value, not ", given.kind)));
    }
    const std::optional<ConfigProblem> problem = key.set(resolved.config, *given.value);
    if (problem.has_value()) {
      return MakeError(problem->code, Exit::kUsage,
                       Placed(given, absl::StrCat(name, " ", problem->rule)), problem->hint);
    }
    resolved.origins[name] = given.origin;
  }
  return absl::OkStatus();
}

// What the strategies are known by: the defaults of the public code of FDA's paper, and DiLoCo's.
ServerSection ServerOf(Strategy strategy) {
  switch (strategy) {
    case Strategy::kFedAvg: return {.name = ServerOptimizer::kSgd};
    case Strategy::kFedAvgM:
      return {.name = ServerOptimizer::kSgd, .learning_rate = 0.316, .momentum = 0.9};
    case Strategy::kFedAdam: return {.name = ServerOptimizer::kAdam, .learning_rate = 1e-3};
    case Strategy::kDiloco:
      return {
          .name = ServerOptimizer::kSgd, .learning_rate = 0.7, .momentum = 0.9, .nesterov = true};
    case Strategy::kFda:
    case Strategy::kSynchronous:
    case Strategy::kLocal:
    case Strategy::kClock:
    case Strategy::kQsr: return {};
  }
  REQUIRE(false);
}

// A server optimizer that is named brings its own defaults, and not those of the strategy.
void FillInServer(ResolvedConfig& resolved) {
  RunConfig& config = resolved.config;
  if (resolved.origins["server.name"] != kDefaultOrigin) {
    if (config.server.name == ServerOptimizer::kAdam &&
        resolved.origins["server.learning_rate"] == kDefaultOrigin) {
      config.server.learning_rate = 1e-3;
    }
    return;
  }
  RunConfig usual;
  usual.server = ServerOf(config.strategy.name);
  for (const ConfigKey& key : ConfigKeys()) {
    std::string& origin = resolved.origins[key.FullName()];
    if (key.section != "server" || origin != kDefaultOrigin || key.get(usual) == key.get(config)) {
      continue;
    }
    (void)key.set(config, key.get(usual));
    origin = absl::StrCat("default with strategy.name = \"", ToString(config.strategy.name), "\"");
  }
}

// `key`, whose place is `field`, is `value` if `condition`, which `why` names, unless it is given.
template <typename Value>
void SetDefault(ResolvedConfig& resolved, bool condition, const std::string& key, Value& field,
                const Value& value, const std::string& why) {
  std::string& origin = resolved.origins[key];
  if (!condition || origin != kDefaultOrigin) return;
  field = value;
  origin = absl::StrCat(kDefaultOrigin, " with ", why);
}

// What the paper trains a model with.
void FillInModel(ResolvedConfig& resolved) {
  ModelSection& model = resolved.config.model;
  const std::string why = absl::StrCat("model.name = \"", NameOf(model), "\"");
  const bool dense = model.name == ModelName::kDenseNet121 || model.name == ModelName::kDenseNet201;
  SetDefault(resolved, model.name == ModelName::kVgg16s, "model.dropout", model.dropout, 0.5, why);
  SetDefault(resolved, dense, "model.dropout", model.dropout, 0.2, why);
  SetDefault(resolved, dense, "model.init", model.init, Init::kHeNormal, why);
}

// Defaults that follow from other values.
void FillIn(ResolvedConfig& resolved) {
  RunConfig& config = resolved.config;
  FillInServer(resolved);
  // A barrier costs a round trip at every step, which on such a network is longer than the step.
  std::string& decision_origin = resolved.origins["strategy.decision"];
  if (decision_origin == kDefaultOrigin && config.network.profile == Profile::kWan &&
      CanDoWithoutBarrier(config.strategy)) {
    config.strategy.decision = DecisionName::kQuantum;
    decision_origin = "default with network.profile = \"wan\"";
  }
  if (resolved.origins["run.min_workers"] == kDefaultOrigin) {
    config.run.min_workers = std::min(2u, config.run.workers);
  }
  FillInModel(resolved);
  // torch's default.
  SetDefault(resolved, config.optimizer.name == OptimizerName::kAdamW, "optimizer.weight_decay",
             config.optimizer.weight_decay, 0.01, "optimizer.name = \"adamw\"");
  if (config.model.name == ModelName::kQuadratic &&
      resolved.origins["data.source"] == kDefaultOrigin) {
    config.data.source = DataSource::kNone;
  }
}

}  // namespace

absl::StatusOr<ResolvedConfig> ResolveRunConfig(const ConfigSources& sources) {
  ASSIGN_OR_RETURN(const std::vector<GivenValue> text, ReadConfigText(sources.text, sources.name));
  Winners winners;
  for (const GivenValue& given : text) {
    RETURN_IF_ERROR(CheckKnown(given));
    winners[given.key] = given;
  }
  RETURN_IF_ERROR(AddEnvironment(sources.environment, winners));
  RETURN_IF_ERROR(AddOverrides(sources.overrides, winners));
  ResolvedConfig resolved;
  RETURN_IF_ERROR(Apply(winners, resolved));
  FillIn(resolved);
  RETURN_IF_ERROR(CheckConflicts(resolved.config));
  return resolved;
}

absl::StatusOr<RunConfig> ParseRunConfig(const std::string& text, const std::string& name) {
  ConfigSources sources;
  sources.text = text;
  sources.name = name;
  ASSIGN_OR_RETURN(const ResolvedConfig resolved, ResolveRunConfig(sources));
  return resolved.config;
}

std::string ToToml(const RunConfig& config) { return ToToml(ResolvedConfig{config, {}}); }

std::string ToToml(const ResolvedConfig& resolved) {
  std::string text;
  std::string section;
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.section != section) {
      absl::StrAppend(&text, text.empty() ? "" : "\n", "[", key.section, "]\n");
      section = key.section;
    }
    std::string line = absl::StrCat(key.name, " = ", ToTomlLiteral(key.get(resolved.config)));
    const auto origin = resolved.origins.find(key.FullName());
    if (origin != resolved.origins.end()) {
      line.resize(std::max<std::size_t>(line.size(), 32), ' ');
      absl::StrAppend(&line, "  # ", origin->second);
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

double ThetaFor(const RunConfig& config, std::uint64_t trainable) {
  if (config.strategy.theta.has_value()) return *config.strategy.theta;
  return GuidelineTheta(trainable, config.optimizer.learning_rate);
}

}  // namespace actors
