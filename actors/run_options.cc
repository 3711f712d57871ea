#include "actors/run_options.h"

#include <algorithm>

#include "runtime/base/require.h"

namespace actors {

EstimatorOptions EstimatorOptionsOf(const RunConfig& config, std::uint64_t trainable) {
  return {.kind = config.strategy.estimator,
          .parameters = trainable,
          .sketch = {.rows = config.strategy.sketch_rows,
                     .columns = config.strategy.sketch_columns,
                     .seed = config.run.seed}};
}

SyncPolicyOptions SyncPolicyOptionsOf(const RunConfig& config, std::uint64_t trainable,
                                      std::uint64_t samples) {
  const bool of_mean = config.run.evaluate == EvaluateWhat::kMean;
  return {.strategy = config.strategy.name,
          .estimator = EstimatorOptionsOf(config, trainable),
          .theta = ThetaFor(config, trainable),
          .max_interval = config.strategy.max_interval.value_or(0),
          .tau = config.strategy.tau,
          .qsr_alpha = config.strategy.qsr_alpha,
          .epochs = config.strategy.data_epochs,
          .samples = samples,
          .shards = config.run.workers,
          .batch = config.optimizer.batch,
          .schedule = LearningRateScheduleOf(config),
          .max_steps = config.run.max_steps,
          .evaluate_every = of_mean ? config.run.evaluate_every : 0};
}

ServerOptimizerOptions ServerOptimizerOptionsOf(const RunConfig& config) {
  return {.name = config.server.name,
          .learning_rate = config.server.learning_rate,
          .momentum = config.server.momentum,
          .nesterov = config.server.nesterov,
          .beta1 = config.server.beta1,
          .beta2 = config.server.beta2,
          .epsilon = config.server.epsilon};
}

std::optional<ThetaTunerOptions> ThetaTunerOptionsOf(const RunConfig& config) {
  if (!config.strategy.tune_theta) return std::nullopt;
  // A run of at least so many synchronizations.
  constexpr std::uint64_t kFewest = 8;
  const std::uint64_t longest = std::max<std::uint64_t>(1, config.run.max_steps / kFewest);
  return ThetaTunerOptions{
      .budget = config.strategy.sync_budget,
      .longest_interval = std::min(longest, config.strategy.max_interval.value_or(longest))};
}

LearningRateSchedule LearningRateScheduleOf(const RunConfig& config) {
  return {.name = config.optimizer.schedule,
          .learning_rate = config.optimizer.learning_rate,
          .warmup = config.optimizer.warmup,
          .max_steps = config.run.max_steps,
          .final_learning_rate = config.optimizer.final_learning_rate,
          .decay_every = config.optimizer.decay_every,
          .decay_factor = config.optimizer.decay_factor};
}

TrainingOptions TrainingOptionsOf(const RunConfig& config) {
  return {
      .model = {.name = ToString(config.model.name),
                .init = ToString(config.model.init),
                .dropout = config.model.dropout,
                .seed = config.run.seed},
      .data = {.source = ToString(config.data.source),
               .dir = config.data.dir,
               .own = config.data.placement == DataPlacement::kOwn,
               .partition = config.data.partition,
               .batches = ToString(config.data.batches),
               .drift = config.data.drift,
               .seed = config.data.seed,
               .context = config.data.context},
      .optimizer = {.name = ToString(config.optimizer.name),
                    .beta1 = config.optimizer.beta1,
                    .beta2 = config.optimizer.beta2,
                    .epsilon = config.optimizer.epsilon,
                    .momentum = config.optimizer.momentum,
                    .nesterov = config.optimizer.nesterov,
                    .weight_decay = config.optimizer.weight_decay,
                    .batch = config.optimizer.batch},
      .quadratic = {.dimension = config.model.dimension,
                    .curvature = config.model.curvature,
                    .noise = config.model.noise,
                    .step_time_seconds = config.model.step_time,
                    .integer = config.model.integer},
  };
}

runtime::RingOptions RingOptionsOf(const RunConfig& config) {
  return {.chunk_bytes = config.network.chunk_bytes, .credits = config.network.credits};
}

runtime::RingTransport RingTransportOf(const RunConfig& config) {
  switch (config.network.transport) {
    case TransportName::kAuto: return runtime::RingTransport::kAuto;
    case TransportName::kTcp: return runtime::RingTransport::kTcp;
    case TransportName::kIpc: return runtime::RingTransport::kIpc;
  }
  REQUIRE(false);
}

}  // namespace actors
