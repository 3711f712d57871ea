// From the configuration of a run to the options of its parts.
#ifndef RONDO_ACTORS_RUN_OPTIONS_H_
#define RONDO_ACTORS_RUN_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "actors/averaging/estimator.h"
#include "actors/averaging/fda_opt.h"
#include "actors/averaging/learning_rate.h"
#include "actors/averaging/participants.h"
#include "actors/averaging/server_optimizer.h"
#include "actors/averaging/sync_policy.h"
#include "actors/averaging/theta_tuner.h"
#include "actors/run_config.h"
#include "actors/training/training_options.h"
#include "runtime/collective/ring.h"

namespace actors {

// `trainable` is d, the floats of the trainable part.
EstimatorOptions EstimatorOptionsOf(const RunConfig& config, std::uint64_t trainable);
// Both halves of the policy are made from these. `evaluate_every` is 0 unless the mean is tested:
// a test of the last synchronized model needs no boundary of its own. `samples`: of the common
// training set.
SyncPolicyOptions SyncPolicyOptionsOf(const RunConfig& config, std::uint64_t trainable,
                                      std::uint64_t samples);
ServerOptimizerOptions ServerOptimizerOptionsOf(const RunConfig& config);
ParticipantsOptions ParticipantsOptionsOf(const RunConfig& config);
// None unless theta = "auto".
std::optional<ThetaTunerOptions> ThetaTunerOptionsOf(const RunConfig& config);
// None unless it is fda-opt; `policy` is what SyncPolicyOptionsOf gave.
std::optional<FdaOptOptions> FdaOptOptionsOf(const RunConfig& config,
                                             const SyncPolicyOptions& policy);
LearningRateSchedule LearningRateScheduleOf(const RunConfig& config);
TrainingOptions TrainingOptionsOf(const RunConfig& config);
runtime::RingOptions RingOptionsOf(const RunConfig& config);
runtime::RingTransport RingTransportOf(const RunConfig& config);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_OPTIONS_H_
