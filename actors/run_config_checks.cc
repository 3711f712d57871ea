#include "actors/run_config_checks.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include "actors/run_options.h"
#include "actors/training/dataset.h"
#include "actors/training/model_layout.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

// The built-in digits; other sources are counted when they are read.
constexpr std::uint64_t kDigitsSamples = 60000;
// The exact estimator sends whole drifts through the head.
constexpr std::uint64_t kMostExactDimension = 200000;

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
  if (data.source == DataSource::kText || data.source == DataSource::kLibsvm ||
      data.source == DataSource::kTensors) {
    return Conflict(absl::StrCat(own, " takes images, and data.source = \"", ToString(data.source),
                                 "\" has none of a shape that all nodes know"),
                    "set data.source = \"mnist\", the format of each node's files");
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
  if (!has_data && config.data.drift != DataSection().drift) {
    return Conflict(absl::StrCat("data.drift = \"", config.data.drift,
                                 "\" needs data, and data.source = \"none\" gives none"),
                    "leave data.drift out");
  }
  if (!has_data && absl::StartsWith(config.data.partition, "dirichlet")) {
    return Conflict(absl::StrCat("data.partition = \"", config.data.partition,
                                 "\" needs data, and data.source = \"none\" gives none"),
                    "leave data.partition out");
  }
  if (config.model.name == ModelName::kQuadratic) {
    if (!has_data) return absl::OkStatus();
    return Conflict(
        absl::StrCat("model.name = \"quadratic\" trains without data, but data.source = \"",
                     ToString(config.data.source), "\""),
        "set data.source = \"none\"");
  }
  if (!has_data) {
    return Conflict(absl::StrCat("model.name = \"", NameOf(config.model),
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

absl::Status CheckFdaOpt(const RunConfig& config) {
  if (config.strategy.name != Strategy::kFdaOpt) return absl::OkStatus();
  if (config.strategy.theta.has_value()) {
    return Conflict("strategy.name = \"fda-opt\" finds strategy.theta by itself",
                    "leave theta out, or use strategy.name = \"fda\" with a [server]");
  }
  if (config.server.name == ServerOptimizer::kNone) {
    return Conflict("strategy.name = \"fda-opt\" needs a server optimizer",
                    "leave server.name out: sgd at a rate of 1 takes the mean");
  }
  return absl::OkStatus();
}

// How long a round is.
absl::Status CheckInterval(const RunConfig& config) {
  const StrategySection& strategy = config.strategy;
  if (NeedsTau(strategy.name) && strategy.tau == 0) {
    const std::string when = strategy.name == Strategy::kClock ? " at the full learning rate"
                             : strategy.name == Strategy::kQsr ? " at least"
                                                               : "";
    return Conflict(
        absl::StrCat("strategy.name = \"", ToString(strategy.name),
                     "\" needs strategy.tau, the steps between two synchronizations", when),
        "add strategy.tau = 76, about what fda does on lenet5 at theta = 2");
  }
  if (strategy.name == Strategy::kQsr && strategy.qsr_alpha == 0) {
    return Conflict(
        "strategy.name = \"qsr\" needs strategy.qsr_alpha: a round is (qsr_alpha / "
        "optimizer.learning_rate)^2 steps long, and tau at least",
        "add strategy.qsr_alpha, optimizer.learning_rate times the root of strategy.tau, say");
  }
  if (CountsEpochs(strategy.name) && config.data.placement == DataPlacement::kOwn) {
    return Conflict(
        absl::StrCat("strategy.name = \"", ToString(strategy.name),
                     "\" has rounds of so many epochs, which with data.placement = \"own\" are "
                     "other numbers of steps on each node"),
        "use strategy.name = \"local\" with strategy.tau and [server] name = \"sgd\" or \"adam\"");
  }
  return absl::OkStatus();
}

absl::Status CheckDecision(const StrategySection& strategy) {
  if (strategy.decision == DecisionName::kQuantum && !CanDoWithoutBarrier(strategy)) {
    return Conflict(
        "strategy.decision = \"quantum\" needs strategy.name = \"fda\" or \"fda-opt\", the "
        "estimator "
        "\"linear\" or \"naive\", and a theta above 0",
        "use decision \"lockstep\", or change these");
  }
  if (strategy.participants < 1 && strategy.decision == DecisionName::kQuantum) {
    return Conflict(
        "strategy.participants below 1 needs strategy.decision = \"lockstep\": without a barrier, "
        "who is not drawn would have nothing to wait for",
        "leave participants out, or set decision \"lockstep\"");
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
  return absl::OkStatus();
}

absl::Status CheckExactEstimator(const RunConfig& config) {
  const StrategySection& strategy = config.strategy;
  const TrainingOptions training = TrainingOptionsOf(config);
  const bool exact = WatchesDrifts(strategy.name) && strategy.estimator == EstimatorKind::kExact;
  // How many another source gives its model is seen when its files are read; how many a
  // TorchScript file has, the workers say, and refuse too many likewise.
  const bool sized =
      training.model.name == "quadratic" ||
      (config.model.name != ModelName::kTorchScript && ShapeOf(training.data.source).has_value());
  const std::uint64_t parameters = sized ? LayoutOf(training).trainable : 0;
  if (exact && parameters > kMostExactDimension) {
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

}  // namespace

// The bound of quantum is a sum over the members, and a theta of 0 needs a barrier by its meaning.
bool CanDoWithoutBarrier(const StrategySection& strategy) {
  const bool sums =
      strategy.estimator == EstimatorKind::kNaive || strategy.estimator == EstimatorKind::kLinear;
  return WatchesDrifts(strategy.name) && sums && strategy.theta != 0.0;
}

absl::Status CheckConflicts(const RunConfig& config) {
  RETURN_IF_ERROR(CheckRun(config));
  RETURN_IF_ERROR(CheckData(config));
  RETURN_IF_ERROR(CheckOptimizer(config));
  // What the trainer itself would refuse, before a process is started.
  RETURN_IF_ERROR(ValidateTrainingOptions(TrainingOptionsOf(config)));
  RETURN_IF_ERROR(CheckSchedule(config));
  RETURN_IF_ERROR(CheckServer(config.server));
  RETURN_IF_ERROR(CheckFdaOpt(config));
  RETURN_IF_ERROR(CheckInterval(config));
  RETURN_IF_ERROR(CheckDecision(config.strategy));
  return CheckExactEstimator(config);
}

}  // namespace actors
