#include "actors/run_config.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "actors/run_config_keys.h"
#include "actors/run_config_text.h"
#include "actors/run_options.h"
#include "actors/training/model_layout.h"
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

// The built-in digits; other sources are counted when they are read.
constexpr std::uint64_t kDigitsSamples = 60000;
// The exact estimator sends whole drifts through the head.
constexpr std::uint64_t kMostExactDimension = 200000;

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

// The bound of quantum is a sum over the members, and a theta of 0 needs a barrier by its meaning.
bool CanDoWithoutBarrier(const StrategySection& strategy) {
  const bool sums =
      strategy.estimator == EstimatorKind::kNaive || strategy.estimator == EstimatorKind::kLinear;
  return strategy.name == Strategy::kFda && sums && strategy.theta != 0.0;
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
  const std::string why = absl::StrCat("model.name = \"", ToString(model.name), "\"");
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

absl::Status Conflict(const std::string& message, const std::string& hint) {
  return MakeError("CONFIG_CONFLICT", Exit::kUsage, message, hint);
}

absl::Status CheckRun(const RunConfig& config) {
  const RunSection& run = config.run;
  if (run.min_workers > run.max_workers) {
    return Conflict(absl::StrCat("run.min_workers = ", run.min_workers,
                                 " is more than run.max_workers = ", run.max_workers),
                    "give min_workers <= workers <= max_workers");
  }
  if (run.workers < run.min_workers || run.workers > run.max_workers) {
    return Conflict(absl::StrCat("run.workers = ", run.workers,
                                 " is not between run.min_workers = ", run.min_workers,
                                 " and run.max_workers = ", run.max_workers),
                    "give min_workers <= workers <= max_workers");
  }
  return absl::OkStatus();
}

// `dir` leads to a place below the folder that it is relative to.
bool StaysBelow(const std::string& dir) {
  const std::filesystem::path path(dir);
  return path.is_relative() && std::ranges::find(path, "..") == path.end();
}

absl::Status CheckOwnData(const DataSection& data) {
  const std::string own = "data.placement = \"own\"";
  if (data.source == DataSource::kNone) {
    return Conflict(absl::StrCat(own, " needs data, and data.source = \"none\" gives none"),
                    "leave data.placement out");
  }
  if (data.source == DataSource::kDigits) {
    return Conflict(absl::StrCat(own, " needs data that differ from node to node, and those of ",
                                 "data.source = \"digits\" are drawn alike on each"),
                    "set data.source = \"mnist\", the format of each node's files; or leave "
                    "data.placement out, and make the shards differ by data.partition");
  }
  if (data.partition != DataSection().partition) {
    return Conflict(absl::StrCat("data.partition = \"", data.partition, "\" divides a common set, ",
                                 "and with ", own, " each node keeps what it has"),
                    "leave data.partition out");
  }
  if (!StaysBelow(data.dir)) {
    return Conflict(absl::StrCat(own, " takes a data.dir below each node's own folder, and not \"",
                                 data.dir, "\""),
                    "leave data.dir out, and give each node its folder: rondo join --data DIR");
  }
  return absl::OkStatus();
}

absl::Status CheckData(const RunConfig& config) {
  if (config.data.placement == DataPlacement::kOwn) RETURN_IF_ERROR(CheckOwnData(config.data));
  const bool has_data = config.data.source != DataSource::kNone;
  if (config.model.name == ModelName::kQuadratic) {
    if (!has_data) return absl::OkStatus();
    return Conflict(
        absl::StrCat("model.name = \"quadratic\" trains without data, but data.source = \"",
                     ToString(config.data.source), "\""),
        "set data.source = \"none\"");
  }
  if (!has_data) {
    return Conflict(absl::StrCat("model.name = \"", ToString(config.model.name),
                                 "\" needs data, but data.source = \"none\""),
                    "set data.source = \"digits\"");
  }
  const std::uint64_t shard = kDigitsSamples / config.run.workers;
  if (config.data.source == DataSource::kDigits && config.optimizer.batch > shard) {
    return Conflict(absl::StrCat("optimizer.batch = ", config.optimizer.batch, " is more than the ",
                                 shard, " samples of a shard (", kDigitsSamples, " digits, ",
                                 config.run.workers, " workers)"),
                    "use a smaller batch or fewer workers");
  }
  return absl::OkStatus();
}

absl::Status CheckServer(const ServerSection& server) {
  const bool moves = server.name == ServerOptimizer::kSgd && server.momentum > 0;
  if (server.nesterov && !moves) {
    return Conflict("server.nesterov = true has a meaning with sgd and a momentum only",
                    "set server.momentum = 0.9, say, or leave server.nesterov out");
  }
  if (server.momentum > 0 && server.name != ServerOptimizer::kSgd) {
    return Conflict(absl::StrCat("server.momentum = ", server.momentum,
                                 " has a meaning with server.name = \"sgd\" only"),
                    "leave server.momentum out");
  }
  return absl::OkStatus();
}

absl::Status CheckStrategy(const RunConfig& config) {
  const StrategySection& strategy = config.strategy;
  if (NeedsTau(strategy.name) && strategy.tau == 0) {
    const bool by_rates = strategy.name == Strategy::kClock || strategy.name == Strategy::kQsr;
    return Conflict(absl::StrCat("strategy.name = \"", ToString(strategy.name),
                                 "\" needs strategy.tau, the steps between two synchronizations",
                                 by_rates ? " at the full learning rate" : ""),
                    "add strategy.tau = 76, about what fda does on lenet5 at theta = 2");
  }
  if (strategy.name == Strategy::kQsr && strategy.qsr_alpha == 0) {
    return Conflict(
        "strategy.name = \"qsr\" needs strategy.qsr_alpha: a round is (qsr_alpha / learning "
        "rate)^2 "
        "steps long, and tau at least",
        "add strategy.qsr_alpha, optimizer.learning_rate times the root of strategy.tau, say");
  }
  if (CountsEpochs(strategy.name) && config.data.placement == DataPlacement::kOwn) {
    return Conflict(
        absl::StrCat("strategy.name = \"", ToString(strategy.name),
                     "\" has rounds of so many epochs, which with data.placement = \"own\" are "
                     "other numbers of steps on each node"),
        "use strategy.name = \"local\" with strategy.tau and [server] name = \"sgd\" or \"adam\"");
  }
  if (strategy.decision == DecisionName::kQuantum && !CanDoWithoutBarrier(strategy)) {
    return Conflict(
        "strategy.decision = \"quantum\" needs strategy.name = \"fda\", the estimator \"linear\" "
        "or "
        "\"naive\", and a theta above 0",
        "use decision \"lockstep\", or change these");
  }
  if (strategy.overlap && strategy.decision != DecisionName::kQuantum) {
    return Conflict(
        "strategy.overlap = true needs strategy.decision = \"quantum\": with a barrier all members "
        "are at one step",
        "add strategy.decision = \"quantum\", or leave overlap out");
  }
  if (strategy.overlap && strategy.tune_theta) {
    return Conflict(
        "strategy.theta = \"auto\" bounds the time for which rings stop the training, and with "
        "strategy.overlap = true they do not",
        "give strategy.theta a number, or leave overlap out");
  }
  if (strategy.tune_theta && strategy.theta_lr_exponent != 0) {
    return Conflict(
        "strategy.theta = \"auto\" is chosen at the rate of that moment, and "
        "strategy.theta_lr_exponent counts from the full one",
        "give strategy.theta a number, or leave theta_lr_exponent out");
  }
  if (strategy.tune_theta && strategy.name != Strategy::kFda) {
    return Conflict("strategy.theta = \"auto\" needs strategy.name = \"fda\"",
                    "the other strategies have no theta");
  }
  const std::uint64_t parameters = LayoutOf(TrainingOptionsOf(config)).trainable;
  if (strategy.name == Strategy::kFda && strategy.estimator == EstimatorKind::kExact &&
      parameters > kMostExactDimension) {
    return Conflict(
        absl::StrCat("strategy.estimator = \"exact\" sends whole drifts through the head "
                     "and takes models up to ",
                     kMostExactDimension, " parameters, not ", parameters),
        "use estimator \"linear\" or \"sketch\"");
  }
  return absl::OkStatus();
}

// A key without its schedule is taken for a schedule that was forgotten.
absl::Status CheckSchedule(const RunConfig& config) {
  const OptimizerSection& optimizer = config.optimizer;
  const OptimizerSection untouched;
  if (optimizer.schedule != Schedule::kCosine &&
      optimizer.final_learning_rate != untouched.final_learning_rate) {
    return Conflict("optimizer.final_learning_rate has a meaning with schedule \"cosine\" only",
                    "set optimizer.schedule = \"cosine\", or leave the key out");
  }
  if (optimizer.final_learning_rate > optimizer.learning_rate) {
    return Conflict(absl::StrCat("optimizer.final_learning_rate = ", optimizer.final_learning_rate,
                                 " is above optimizer.learning_rate = ", optimizer.learning_rate),
                    "a cosine falls; for a rate that rises there is optimizer.warmup");
  }
  const bool steps = optimizer.schedule == Schedule::kStep;
  if (steps && optimizer.decay_every == 0) {
    return Conflict(
        "optimizer.schedule = \"step\" needs optimizer.decay_every, the steps between two decays",
        "add optimizer.decay_every = 1000, say");
  }
  if (!steps && (optimizer.decay_every != untouched.decay_every ||
                 optimizer.decay_factor != untouched.decay_factor)) {
    return Conflict(
        "optimizer.decay_every and decay_factor have a meaning with schedule \"step\" only",
        "set optimizer.schedule = \"step\", or leave the keys out");
  }
  if (optimizer.warmup > 0 && optimizer.warmup >= config.run.max_steps) {
    return Conflict(absl::StrCat("optimizer.warmup = ", optimizer.warmup,
                                 " leaves nothing of run.max_steps = ", config.run.max_steps),
                    "use a shorter warm-up or more steps");
  }
  return absl::OkStatus();
}

absl::Status CheckOptimizer(const RunConfig& config) {
  const OptimizerSection& optimizer = config.optimizer;
  const bool has_momentum = optimizer.name == OptimizerName::kSgd && optimizer.momentum > 0;
  if (!optimizer.nesterov || has_momentum) return absl::OkStatus();
  return Conflict("optimizer.nesterov = true needs optimizer.name = \"sgd\" and a momentum",
                  "set optimizer.momentum = 0.9");
}

absl::Status CheckConflicts(const RunConfig& config) {
  RETURN_IF_ERROR(CheckRun(config));
  RETURN_IF_ERROR(CheckData(config));
  RETURN_IF_ERROR(CheckOptimizer(config));
  // What the trainer itself would refuse, before a process is started.
  RETURN_IF_ERROR(ValidateTrainingOptions(TrainingOptionsOf(config)));
  RETURN_IF_ERROR(CheckSchedule(config));
  RETURN_IF_ERROR(CheckServer(config.server));
  return CheckStrategy(config);
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
