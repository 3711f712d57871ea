#include "apps/rondo/worker_pool.h"

#include <absl/strings/str_cat.h>

#include <filesystem>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace apps {

WorkerPool::~WorkerPool() { StopAll(std::chrono::steady_clock::now(), runtime::Duration::zero()); }

absl::Status WorkerPool::Start() {
  ASSIGN_OR_RETURN(const std::string program, FindBesideUs("rondo-worker"));
  std::error_code error;
  std::filesystem::create_directories(options_.folder + "/logs", error);
  if (error) {
    return runtime::MakeError(
        "OUTPUT_FAILED", runtime::Exit::kRunFailed,
        absl::StrCat("cannot make ", options_.folder, "/logs: ", error.message()));
  }
  for (std::uint32_t i = 0; i < options_.workers; ++i) {
    ChildOptions child{
        .program = program,
        .arguments = {"--head", options_.head, "--name", absl::StrCat(options_.name, "-", i),
                      "--folder", options_.folder},
        .environment = ComputeThreads(options_.threads),
        .log_path = absl::StrCat(options_.folder, "/logs/slot-", i, ".log")};
    if (options_.wish_slots) {
      child.arguments.insert(child.arguments.end(), {"--slot", std::to_string(i)});
    }
    child.arguments.insert(child.arguments.end(), options_.arguments.begin(),
                           options_.arguments.end());
    ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> process, ChildProcess::Start(child));
    workers_.push_back({.process = std::move(process)});
  }
  return absl::OkStatus();
}

std::optional<ChildExit> WorkerPool::ReportEnded(Client& client) {
  std::optional<ChildExit> failure;
  for (Worker& worker : workers_) {
    if (worker.ended) continue;
    const std::optional<ChildExit> exit = worker.process->TryWait();
    if (!exit.has_value()) continue;
    worker.ended = true;
    const std::string log = worker.process->LogTail();
    if (!exit->IsSuccess() && failure_log_.empty()) {
      failure = exit;
      failure_log_ = log;
    }
    absl::StatusOr<std::string> host_key = runtime::HostKey();
    client.Tell(actors::ProcessExited{.pid = static_cast<std::uint32_t>(worker.process->pid()),
                                      .host_key = host_key.ok() ? *host_key : "",
                                      .description = absl::StrCat("ended: ", exit->ToString()),
                                      .last_lines = log});
  }
  return failure;
}

std::vector<int> WorkerPool::Descriptors() const {
  std::vector<int> descriptors;
  for (const Worker& worker : workers_) {
    if (!worker.ended) descriptors.push_back(worker.process->descriptor());
  }
  return descriptors;
}

bool WorkerPool::AnyRuns() const { return !Descriptors().empty(); }

void WorkerPool::StopAll(runtime::Time deadline, runtime::Duration grace) {
  std::vector<Worker*> late;
  for (Worker& worker : workers_) {
    if (!worker.ended && !worker.process->WaitUntil(deadline).has_value()) late.push_back(&worker);
  }
  for (Worker* worker : late) worker->process->Signal(15);
  for (Worker* worker : late) {
    (void)worker->process->Terminate(grace);
    worker->ended = true;
  }
}

}  // namespace apps
