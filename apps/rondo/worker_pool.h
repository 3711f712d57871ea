// The worker processes that this process started: spawned, watched, reported when they end.
#ifndef RONDO_APPS_RONDO_WORKER_POOL_H_
#define RONDO_APPS_RONDO_WORKER_POOL_H_

#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/rondo/child_process.h"
#include "apps/rondo/client.h"
#include "runtime/base/clock.h"

namespace apps {

struct WorkerPoolOptions {
  std::string head;  // HOST:PORT.
  std::uint32_t workers = 1;
  std::uint32_t threads = 1;  // Compute threads of each.
  std::string name;           // Of this machine; a worker's name is NAME-I.
  std::string folder;         // Scratch space and logs: FOLDER/logs/slot-I.log.
  // Worker I wishes for slot I: in an embedded run, where this process starts them all.
  bool wish_slots = false;
  std::vector<std::string> arguments;  // More of rondo-worker's flags.
};

// Main thread, which must outlive the workers (child_process.h).
class WorkerPool {
 public:
  explicit WorkerPool(WorkerPoolOptions options) : options_(std::move(options)) {}
  // Kills what still runs.
  ~WorkerPool();

  absl::Status Start();
  // Tells the head of workers that ended since the last call. Returns the first ending that was not
  // a success, once.
  std::optional<ChildExit> ReportEnded(Client& client);
  // For poll: readable when a worker has ended.
  std::vector<int> Descriptors() const;
  bool AnyRuns() const;
  // Waits for all to end by themselves until `deadline`, then ends them: SIGTERM, `grace`, SIGKILL.
  // ReportEnded tells of those that ended by themselves.
  void StopAll(runtime::Time deadline, runtime::Duration grace);
  // The last lines of the log of the worker that failed first.
  const std::string& failure_log() const { return failure_log_; }

 private:
  struct Worker {
    std::unique_ptr<ChildProcess> process;
    bool ended = false;
  };

  const WorkerPoolOptions options_;
  std::vector<Worker> workers_;
  std::string failure_log_;
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_WORKER_POOL_H_
