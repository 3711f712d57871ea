// What a config must not say: values that are right each by itself and wrong together. Private to
// run_config*.cc.
#ifndef RONDO_ACTORS_RUN_CONFIG_CHECKS_H_
#define RONDO_ACTORS_RUN_CONFIG_CHECKS_H_

#include <absl/status/status.h>

#include "actors/run_config.h"

namespace actors {

// CONFIG_CONFLICT, CONFIG_INVALID_VALUE; exit 2.
absl::Status CheckConflicts(const RunConfig& config);

// Whether decision "quantum" is possible.
bool CanDoWithoutBarrier(const StrategySection& strategy);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_CHECKS_H_
