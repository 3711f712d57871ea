// The worker processes that this process started: spawned, watched, reported when they end, and
// started again when they died.
//
// A process that was killed, crashed or was evicted comes back as a new worker, after 0.2, 0.4, ...
// 5 s and at most five times a minute. One that ended by its own decision does not: what made it
// refuse will make the next one refuse.
#ifndef RONDO_APPS_RONDO_WORKER_POOL_H_
#define RONDO_APPS_RONDO_WORKER_POOL_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <deque>
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
  // Tells the head of workers that ended since the last call, and starts again those whose time has
  // come. Returns, once, the first ending that was not a success and after which nobody comes back.
  std::optional<ChildExit> Tend(Client& client);
  // Returns when a worker ends, or at `deadline`.
  void WaitForEnding(runtime::Time deadline) const;
  // For poll: readable when a worker has ended.
  std::vector<int> Descriptors() const;
  // A worker that is about to be started again counts.
  bool AnyRuns() const;
  // SIGTERM to all: they leave in order, and end with exit 0.
  void AskToLeave();
  // Waits for all to end by themselves until `deadline`, then ends them: SIGTERM, `grace`, SIGKILL.
  // Tend tells of those that ended by themselves.
  void StopAll(runtime::Time deadline, runtime::Duration grace);
  // The last lines of the log of the worker that failed first.
  const std::string& failure_log() const { return failure_log_; }

 private:
  struct Worker {
    std::unique_ptr<ChildProcess> process;
    bool ended = false;
    std::deque<runtime::Time> deaths;  // Within the last minute.
    std::optional<runtime::Time> restart_at;
  };

  absl::StatusOr<std::unique_ptr<ChildProcess>> StartOne(std::size_t index) const;
  // True: the worker comes back.
  bool ScheduleRestart(Worker& worker, const ChildExit& exit);

  const WorkerPoolOptions options_;
  std::string program_;
  std::vector<Worker> workers_;
  std::string failure_log_;
  bool leaving_ = false;  // Nobody comes back any more.
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_WORKER_POOL_H_
