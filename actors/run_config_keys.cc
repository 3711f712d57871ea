#include "actors/run_config_keys.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "actors/run_config_key_kinds.h"
#include "actors/training/model_file.h"

namespace actors {
namespace {

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

// A name, or the path of a file; the rest of the rules are those of a name.
ConfigKey ModelNameKey() {
  ConfigKey key = Choice("model", "name", RONDO_AT(model.name));
  key.set = [names = key.set](RunConfig& config,
                              const ConfigValue& value) -> std::optional<ConfigProblem> {
    const std::string* text = std::get_if<std::string>(&value);
    if (text == nullptr || !IsModelFile(*text)) return names(config, value);
    std::optional<ConfigProblem> problem = CheckPath(*text);
    if (!problem.has_value()) {
      config.model.name = ModelName::kTorchScript;
      config.model.file = *text;
    }
    return problem;
  };
  key.get = [](const RunConfig& config) -> ConfigValue { return NameOf(config.model); };
  return key;
}

void AddModelKeys(std::vector<ConfigKey>& keys) {
  keys.push_back(ModelNameKey());
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
  keys.push_back(Choice("strategy", "name", RONDO_AT(strategy.name)));
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
  keys.push_back(Number("strategy", "participants", RONDO_AT(strategy.participants), {0, 1, true}));
  keys.push_back(Number("strategy", "max_epochs", RONDO_AT(strategy.max_epochs), {0, 1000, true}));
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
  keys.push_back(Number("server", "weight_decay", RONDO_AT(server.weight_decay), {0, 1000}));
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
  static const std::vector<std::string> names = {"model.average_buffers"};
  return names;
}

}  // namespace actors
