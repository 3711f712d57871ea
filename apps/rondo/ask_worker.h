// What only torch knows, asked of the rondo-worker beside us: it answers and ends.
#ifndef RONDO_APPS_RONDO_ASK_WORKER_H_
#define RONDO_APPS_RONDO_ASK_WORKER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "actors/run_config.h"

namespace apps {

// `question` is a flag of rondo-worker that takes a config (apps/rondo-worker/questions.h). Errors
// are the worker's, with their exit codes; WORKER_UNUSABLE, exit 7: it does not answer, or not
// within ten minutes. On the main thread, as ChildProcess.
absl::StatusOr<nlohmann::json> AskWorker(const std::string& question,
                                         const actors::RunConfig& config);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_ASK_WORKER_H_
