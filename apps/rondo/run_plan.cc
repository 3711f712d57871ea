#include "apps/rondo/run_plan.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "actors/run_options.h"
#include "apps/rondo/ask_worker.h"
#include "apps/rondo/format.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using actors::Strategy;
using Rows = std::vector<std::vector<std::string>>;

// How fast replicas drift apart is known for Adam only (actors/averaging/cost.h).
bool Foretells(Strategy strategy, const actors::RunConfig& config) {
  const bool adam = config.optimizer.name == actors::OptimizerName::kAdam;
  if (strategy == Strategy::kFdaOpt) return false;  // Its theta follows from the rounds.
  return strategy != Strategy::kFda || (adam && !config.strategy.tune_theta);
}

Prediction Predict(const actors::RunConfig& config, const actors::TrainingDescription& training,
                   Strategy strategy, std::uint64_t tau) {
  actors::RunConfig other = config;
  other.strategy.name = strategy;
  other.strategy.tau = tau;
  const actors::SyncPolicyOptions options =
      actors::SyncPolicyOptionsOf(other, training.parameters, training.train_samples);
  Prediction prediction{.strategy = strategy, .tau = tau};
  if (!Foretells(strategy, config)) return prediction;
  prediction.syncs =
      actors::PredictSynchronizations(options, training.parameters, config.run.max_steps);
  if (!prediction.syncs.has_value()) return prediction;
  prediction.bytes = actors::PredictBytes(options, training.total, config.run.workers,
                                          config.run.max_steps, *prediction.syncs);
  return prediction;
}

std::string NameOf(const Prediction& prediction) {
  const std::string name = actors::ToString(prediction.strategy);
  return actors::NeedsTau(prediction.strategy)
             ? absl::StrCat(name, ", tau ", FormatCount(prediction.tau))
             : name;
}

std::string RenderSamples(const actors::TrainingDescription& training) {
  constexpr std::size_t kMostColumns = 20;
  std::size_t classes = 0;
  for (const auto& shard : training.samples) classes = std::max(classes, shard.size());
  if (classes > kMostColumns) classes = 0;
  Rows rows = {{classes == 0 ? "samples" : "samples of class"}};
  for (std::size_t label = 0; label < classes; ++label) {
    rows.front().push_back(std::to_string(label));
  }
  rows.front().push_back("all");
  for (std::size_t worker = 0; worker < training.samples.size(); ++worker) {
    const std::vector<std::uint64_t>& shard = training.samples[worker];
    rows.push_back({absl::StrCat("worker ", worker)});
    for (std::size_t label = 0; label < classes; ++label) {
      rows.back().push_back(FormatCount(shard[label]));
    }
    rows.back().push_back(
        FormatCount(std::accumulate(shard.begin(), shard.end(), std::uint64_t{0})));
  }
  return RenderTable(rows);
}

std::string RenderPredictions(const RunPlan& plan, const actors::RunConfig& config) {
  Rows rows = {{"predicted", "syncs", "ring", "states", "all"}};
  std::string notes;
  for (const Prediction& prediction : plan.predictions) {
    if (prediction.syncs.has_value()) {
      rows.push_back({NameOf(prediction), FormatCount(*prediction.syncs),
                      FormatBytes(prediction.bytes.ring), FormatBytes(prediction.bytes.state),
                      FormatBytes(prediction.bytes.total)});
      if (prediction.strategy != Strategy::kFda) continue;
      notes += "fda's is an estimate: it synchronizes when the replicas have drifted apart\n";
    } else if (!Foretells(prediction.strategy, config)) {
      absl::StrAppend(&notes, NameOf(prediction),
                      ": how often it synchronizes can be foretold for adam and a given theta "
                      "only\n");
    } else {
      absl::StrAppend(&notes, NameOf(prediction), ": not foretold for more than ",
                      FormatCount(actors::kMostStepsForetold), " steps at changing rates\n");
    }
  }
  return RenderTable(rows) + notes;
}

}  // namespace

absl::StatusOr<actors::ConfigSources> SourcesOf(
    const std::string& path, const std::vector<actors::ConfigOverride>& overrides) {
  actors::ConfigSources sources;
  ASSIGN_OR_RETURN(sources.text, actors::ReadConfigFile(path));
  sources.name = path;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line) {
    sources.environment.emplace_back(*line);
  }
  sources.overrides = overrides;
  return sources;
}

absl::StatusOr<actors::ResolvedConfig> ResolveConfig(
    const std::string& path, const std::vector<actors::ConfigOverride>& overrides) {
  ASSIGN_OR_RETURN(const actors::ConfigSources sources, SourcesOf(path, overrides));
  return actors::ResolveRunConfig(sources);
}

absl::StatusOr<RunPlan> PlanRun(const actors::RunConfig& config) {
  RunPlan plan{.theta_is_given = config.strategy.theta.has_value()};
  // Describe needs no torch; what a TorchScript file holds only a worker process can tell.
  ASSIGN_OR_RETURN(plan.training,
                   actors::Describe(actors::TrainingOptionsOf(config), config.run.workers));
  if (config.model.name == actors::ModelName::kTorchScript) {
    ASSIGN_OR_RETURN(const nlohmann::json model, AskWorker("--describe", config));
    plan.training.parameters = model.value("parameters", std::uint64_t{0});
    plan.training.total = model.value("total", std::uint64_t{0});
  }
  if (!config.strategy.tune_theta) {
    plan.theta = actors::ThetaFor(config, plan.training.parameters);
  }
  plan.predictions.push_back(Predict(config, plan.training, Strategy::kFda, 0));
  std::uint64_t tau = config.strategy.tau;
  if (const auto syncs = plan.predictions.front().syncs; tau == 0 && syncs.has_value()) {
    tau = (config.run.max_steps + *syncs - 1) / *syncs;
  }
  if (tau != 0) plan.predictions.push_back(Predict(config, plan.training, Strategy::kLocal, tau));
  const Strategy name = config.strategy.name;
  if (name != Strategy::kFda && name != Strategy::kLocal && name != Strategy::kSynchronous) {
    plan.predictions.push_back(Predict(config, plan.training, name, tau));
  }
  plan.predictions.push_back(Predict(config, plan.training, Strategy::kSynchronous, 0));
  return plan;
}

std::string RenderPlan(const RunPlan& plan, const actors::RunConfig& config) {
  const actors::TrainingDescription& training = plan.training;
  // The quadratic model has a single sample, which is of no interest.
  const bool has_data = config.data.source != actors::DataSource::kNone;
  std::string text = absl::StrCat(FormatCount(training.parameters), " parameters (d), ");
  if (training.total > training.parameters) {
    absl::StrAppend(&text, FormatCount(training.total - training.parameters),
                    " floats of buffers, ");
  }
  const bool known = !training.samples.empty();
  if (has_data && !known) {
    absl::StrAppend(&text, "each node's own data\n");
  } else if (has_data) {
    absl::StrAppend(&text, FormatCount(training.train_samples), " training and ",
                    FormatCount(training.test_samples), " test samples\n");
  } else {
    absl::StrAppend(&text, "no data\n");
  }
  if (config.strategy.tune_theta) {
    absl::StrAppend(&text, "theta is chosen in the first rounds, such that synchronizing takes ",
                    FormatNumber(100 * config.strategy.sync_budget), " % of the time\n");
  } else if (config.strategy.name == Strategy::kFda) {
    absl::StrAppend(&text, "theta ", FormatNumber(*plan.theta),
                    plan.theta_is_given ? ", as given\n"
                                        : ", by the guideline 4.91e-5 d (learning_rate/1e-3)^2\n");
  }
  if (config.server.name != actors::ServerOptimizer::kNone) {
    absl::StrAppend(&text, "the mean of a round is stepped to by ",
                    actors::ToString(config.server.name), ", learning rate ",
                    FormatNumber(config.server.learning_rate), "\n");
  }
  return absl::StrCat(text, "\n", has_data && known ? RenderSamples(training) + "\n" : "",
                      RenderPredictions(plan, config));
}

std::string PlanToJson(const RunPlan& plan) {
  nlohmann::ordered_json json;
  json["parameters"] = plan.training.parameters;
  json["floats"] = plan.training.total;
  if (plan.theta.has_value()) {
    json["theta"] = *plan.theta;
  } else {
    json["theta"] = nullptr;
  }
  json["theta_is_given"] = plan.theta_is_given;
  if (plan.training.samples.empty()) {
    for (const char* unknown : {"train_samples", "test_samples", "samples"}) {
      json[unknown] = nullptr;
    }
  } else {
    json["train_samples"] = plan.training.train_samples;
    json["test_samples"] = plan.training.test_samples;
    json["samples"] = plan.training.samples;
  }
  json["predicted"] = nlohmann::ordered_json::object();
  for (const Prediction& prediction : plan.predictions) {
    nlohmann::ordered_json bytes;
    if (actors::NeedsTau(prediction.strategy)) bytes["tau"] = prediction.tau;
    if (prediction.syncs.has_value()) {
      bytes["syncs"] = *prediction.syncs;
      bytes["bytes"] = {{"ring", prediction.bytes.ring},
                        {"state", prediction.bytes.state},
                        {"total", prediction.bytes.total}};
    } else {
      bytes["syncs"] = nullptr;
      bytes["bytes"] = nullptr;
    }
    json["predicted"][actors::ToString(prediction.strategy)] = bytes;
  }
  return json.dump();
}

}  // namespace apps
