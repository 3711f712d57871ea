#include "actors/run_config_keys.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <charconv>
#include <type_traits>
#include <utility>

#include "actors/run_config_names.h"
#include "runtime/base/nearest.h"

namespace actors {
namespace {

// Says that an optional value is not set.
constexpr char kNone[] = "none";

std::string Quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    absl::StrAppend(&text, text.empty() ? "" : ", ", "\"", name, "\"");
  return text;
}

// ---- refusals ----

ConfigProblem WrongType(const std::string& expected, const ConfigValue& value) {
  return {"CONFIG_WRONG_TYPE", absl::StrCat("must be ", expected, ", not ", ToTomlLiteral(value)),
          ""};
}

ConfigProblem OutOfRange(const std::string& expected, const ConfigValue& value) {
  return {"CONFIG_INVALID_VALUE",
          absl::StrCat("must be ", expected, ", not ", ToTomlLiteral(value)), ""};
}

ConfigProblem NotAvailable(const std::string& name, const std::string& available_now) {
  return {"CONFIG_NOT_AVAILABLE", absl::StrCat("= \"", name, "\" is not available in this version"),
          "available now: " + available_now};
}

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  for (const std::string& candidate : names) {
    if (candidate == name) return true;
  }
  return false;
}

// `value` is none of the names that the key takes.
ConfigProblem WrongName(const std::string& value, const std::vector<std::string>& now,
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

constexpr std::int64_t kMostSteps = 1'000'000'000'000;

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

std::optional<double> NumberIn(const ConfigValue& value) {
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

ConfigKey Theta() {
  ConfigKey key{"strategy", "theta", false, nullptr, nullptr};
  key.set = [](RunConfig& config, const ConfigValue& value) -> std::optional<ConfigProblem> {
    const NumberRange range{0, 1e30};
    const std::string expected = absl::StrCat(range.Text(), ", \"guideline\" or \"auto\"");
    StrategySection& strategy = config.strategy;
    if (const std::string* word = std::get_if<std::string>(&value)) {
      if (*word != "guideline" && *word != "auto") return WrongType(expected, value);
      strategy.theta = std::nullopt;
      strategy.tune_theta = *word == "auto";
      return std::nullopt;
    }
    const std::optional<double> number = NumberIn(value);
    if (!number.has_value()) return WrongType(expected, value);
    if (!range.Holds(*number)) return OutOfRange(expected, value);
    strategy.theta = number;
    strategy.tune_theta = false;
    return std::nullopt;
  };
  key.get = [](const RunConfig& config) -> ConfigValue {
    const StrategySection& strategy = config.strategy;
    if (strategy.theta.has_value()) return *strategy.theta;
    return strategy.tune_theta ? "auto" : "guideline";
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

std::optional<ConfigProblem> CheckPath(const std::string& text) {
  if (!absl::StrContains(text, '\0') && text.size() < 4096) return std::nullopt;
  return ConfigProblem{"CONFIG_INVALID_VALUE", "must be a path of less than 4096 characters", ""};
}

std::optional<ConfigProblem> CheckFolder(const std::string& text) {
  if (text.empty()) return OutOfRange("the path of a folder", text);
  return CheckPath(text);
}

std::optional<ConfigProblem> CheckDevice(const std::string& text) {
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

std::optional<ConfigProblem> CheckPartition(const std::string& text) {
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

std::optional<ConfigProblem> CheckDrift(const std::string& text) {
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

// ---- the list ----

#define RONDO_AT(member) \
  [](auto& config) -> auto& { return config.member; }

void AddRunKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Integer("run", "workers", RONDO_AT(run.workers), {1, kMostWorkers}));
  keys.push_back(Integer("run", "min_workers", RONDO_AT(run.min_workers), {1, kMostWorkers}));
  keys.push_back(Integer("run", "max_workers", RONDO_AT(run.max_workers), {1, kMostWorkers}));
  keys.push_back(Switch("run", "on_leave_sync", RONDO_AT(run.on_leave_sync)));
  keys.push_back(Number("run", "wait", RONDO_AT(run.wait), {0, 1e6, true}));
  keys.push_back(
      Integer("run", "checkpoint_every", RONDO_AT(run.checkpoint_every), {0, kMostSteps}));
  keys.push_back(Number("run", "orphan_timeout", RONDO_AT(run.orphan_timeout), {0, 1e6, true}));
  keys.push_back(Integer("run", "seed", RONDO_AT(run.seed), {0, INT64_MAX}));
  keys.push_back(Integer("run", "max_steps", RONDO_AT(run.max_steps), {1, kMostSteps}));
  keys.push_back(
      OptionalNumber("run", "target_accuracy", RONDO_AT(run.target_accuracy), {0, 1, true}, kNone));
  keys.push_back(Choice("run", "evaluate", RONDO_AT(run.evaluate)));
  keys.push_back(Integer("run", "evaluate_every", RONDO_AT(run.evaluate_every), {0, kMostSteps}));
  keys.push_back(Text("run", "device", RONDO_AT(run.device), CheckDevice));
  keys.push_back(Integer("run", "threads", RONDO_AT(run.threads), {1, 1024}));
  keys.push_back(Text("run", "out", RONDO_AT(run.out), CheckFolder));
}

void AddDataKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Choice("data", "source", RONDO_AT(data.source)));
  keys.push_back(Text("data", "dir", RONDO_AT(data.dir), CheckPath));
  keys.push_back(Choice("data", "placement", RONDO_AT(data.placement)));
  keys.push_back(Text("data", "partition", RONDO_AT(data.partition), CheckPartition));
  keys.push_back(Choice("data", "batches", RONDO_AT(data.batches)));
  keys.push_back(Text("data", "drift", RONDO_AT(data.drift), CheckDrift));
  keys.push_back(Integer("data", "seed", RONDO_AT(data.seed), {0, INT64_MAX}));
  keys.push_back(Integer("data", "context", RONDO_AT(data.context), {1, 4096}));
}

void AddModelKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Choice("model", "name", RONDO_AT(model.name)));
  keys.push_back(Choice("model", "init", RONDO_AT(model.init)));
  keys.push_back(Number("model", "dropout", RONDO_AT(model.dropout), {0, 1, false, true}));
  keys.push_back(
      Integer("model", "dimension", RONDO_AT(model.dimension), {1, std::int64_t{1} << 32}));
  keys.push_back(Number("model", "curvature", RONDO_AT(model.curvature), {0, 1e6, true}));
  keys.push_back(Number("model", "noise", RONDO_AT(model.noise), {0, 1e6}));
  keys.push_back(Number("model", "step_time", RONDO_AT(model.step_time), {0, 3600}));
  keys.push_back(Switch("model", "integer", RONDO_AT(model.integer)));
}

void AddOptimizerKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Choice("optimizer", "name", RONDO_AT(optimizer.name)));
  keys.push_back(
      Number("optimizer", "learning_rate", RONDO_AT(optimizer.learning_rate), {0, 1000, true}));
  keys.push_back(Choice("optimizer", "schedule", RONDO_AT(optimizer.schedule)));
  keys.push_back(Integer("optimizer", "warmup", RONDO_AT(optimizer.warmup), {0, kMostSteps}));
  keys.push_back(Number("optimizer", "final_learning_rate", RONDO_AT(optimizer.final_learning_rate),
                        {0, 1000}));
  keys.push_back(
      Integer("optimizer", "decay_every", RONDO_AT(optimizer.decay_every), {0, kMostSteps}));
  keys.push_back(
      Number("optimizer", "decay_factor", RONDO_AT(optimizer.decay_factor), {0, 1, true}));
  keys.push_back(Number("optimizer", "beta1", RONDO_AT(optimizer.beta1), {0, 1, false, true}));
  keys.push_back(Number("optimizer", "beta2", RONDO_AT(optimizer.beta2), {0, 1, false, true}));
  keys.push_back(Number("optimizer", "epsilon", RONDO_AT(optimizer.epsilon), {0, 1, true}));
  keys.push_back(
      Number("optimizer", "momentum", RONDO_AT(optimizer.momentum), {0, 1, false, true}));
  keys.push_back(Switch("optimizer", "nesterov", RONDO_AT(optimizer.nesterov)));
  keys.push_back(Number("optimizer", "weight_decay", RONDO_AT(optimizer.weight_decay), {0, 1000}));
  keys.push_back(Integer("optimizer", "batch", RONDO_AT(optimizer.batch), {1, 65536}));
}

void AddStrategyKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Choice("strategy", "name", RONDO_AT(strategy.name), {"fda-opt"}));
  keys.push_back(Choice("strategy", "estimator", RONDO_AT(strategy.estimator)));
  keys.push_back(Choice("strategy", "decision", RONDO_AT(strategy.decision)));
  keys.push_back(Theta());
  keys.push_back(
      Number("strategy", "sync_budget", RONDO_AT(strategy.sync_budget), {0, 1, true, true}));
  keys.push_back(OptionalInteger("strategy", "max_interval", RONDO_AT(strategy.max_interval),
                                 {1, kMostSteps}));
  keys.push_back(Integer("strategy", "tau", RONDO_AT(strategy.tau), {0, kMostSteps}));
  keys.push_back(Choice("strategy", "weighting", RONDO_AT(strategy.weighting)));
  keys.push_back(Switch("strategy", "overlap", RONDO_AT(strategy.overlap)));
  keys.push_back(Choice("strategy", "outliers", RONDO_AT(strategy.outliers)));
  keys.push_back(Integer("strategy", "sketch_rows", RONDO_AT(strategy.sketch_rows), {1, 64}));
  keys.push_back(
      Integer("strategy", "sketch_columns", RONDO_AT(strategy.sketch_columns), {16, 65536}));
  keys.push_back(
      Number("strategy", "theta_lr_exponent", RONDO_AT(strategy.theta_lr_exponent), {0, 4}));
  keys.push_back(Number("strategy", "qsr_alpha", RONDO_AT(strategy.qsr_alpha), {0, 1000}));
  keys.push_back(
      Number("strategy", "data_epochs", RONDO_AT(strategy.data_epochs), {0, 1000, true}));
}

void AddServerKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Choice("server", "name", RONDO_AT(server.name)));
  keys.push_back(
      Number("server", "learning_rate", RONDO_AT(server.learning_rate), {0, 1000, true}));
  keys.push_back(Number("server", "momentum", RONDO_AT(server.momentum), {0, 1, false, true}));
  keys.push_back(Switch("server", "nesterov", RONDO_AT(server.nesterov)));
  keys.push_back(Number("server", "beta1", RONDO_AT(server.beta1), {0, 1, false, true}));
  keys.push_back(Number("server", "beta2", RONDO_AT(server.beta2), {0, 1, false, true}));
  keys.push_back(Number("server", "epsilon", RONDO_AT(server.epsilon), {1e-30, 1}));
}

void AddNetworkKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(Choice("network", "profile", RONDO_AT(network.profile)));
  keys.push_back(Choice("network", "transport", RONDO_AT(network.transport)));
  keys.push_back(
      Integer("network", "chunk_bytes", RONDO_AT(network.chunk_bytes), {65536, 4 << 20, 65536}));
  keys.push_back(Integer("network", "credits", RONDO_AT(network.credits), {1, 32}));
}

#undef RONDO_AT

}  // namespace

const std::vector<ConfigKey>& ConfigKeys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> list;
    AddRunKeys(list);
    AddDataKeys(list);
    AddModelKeys(list);
    AddOptimizerKeys(list);
    AddStrategyKeys(list);
    AddServerKeys(list);
    AddNetworkKeys(list);
    return list;
  }();
  return keys;
}

const ConfigKey* FindConfigKey(const std::string& full_name) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.FullName() == full_name) return &key;
  }
  return nullptr;
}

std::vector<std::string> ConfigKeyNames() {
  std::vector<std::string> names;
  for (const ConfigKey& key : ConfigKeys()) names.push_back(key.FullName());
  return names;
}

const std::vector<std::string>& LaterConfigKeys() {
  static const std::vector<std::string> names = {"model.average_buffers", "strategy.participants"};
  return names;
}

}  // namespace actors
