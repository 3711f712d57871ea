// What only torch knows, asked of the rondo-worker beside us: it answers and ends.
#ifndef RONDO_APPS_RONDO_ASK_WORKER_H_
#define RONDO_APPS_RONDO_ASK_WORKER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/run_config.h"
#include "apps/rondo/child_process.h"
#include "runtime/base/clock.h"

namespace apps {

// How a rondo-worker that tells something and ends has ended.
struct WorkerWord {
  std::string program;
  std::optional<ChildExit> exit;  // None: not within its time.
  std::string last_line;          // Of its output.
};
// Runs it with `arguments` and so many compute threads. On the main thread, as ChildProcess.
absl::StatusOr<WorkerWord> HearWorker(const std::vector<std::string>& arguments, unsigned threads,
                                      runtime::Duration timeout);

// `question` is a flag of rondo-worker that takes a config (apps/rondo-worker/questions.h). Errors
// are the worker's, with their exit codes; WORKER_UNUSABLE, exit 7: it does not answer, or not
// within ten minutes.
absl::StatusOr<nlohmann::json> AskWorker(const std::string& question,
                                         const actors::RunConfig& config);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_ASK_WORKER_H_
