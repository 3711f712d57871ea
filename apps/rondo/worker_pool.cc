#include "apps/rondo/worker_pool.h"

#include <absl/strings/str_cat.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace apps {
namespace {

constexpr std::size_t kMostRestarts = 5;
constexpr runtime::Duration kRestartWindow = std::chrono::minutes(1);
constexpr runtime::Duration kFirstBackoff = std::chrono::milliseconds(200);
constexpr runtime::Duration kLongestBackoff = std::chrono::seconds(5);

}  // namespace

WorkerPool::~WorkerPool() { StopAll(std::chrono::steady_clock::now(), runtime::Duration::zero()); }

absl::StatusOr<std::unique_ptr<ChildProcess>> WorkerPool::StartOne(std::size_t index) const {
  ChildOptions child{
      .program = program_,
      .arguments = {"--head", options_.head, "--name", absl::StrCat(options_.name, "-", index),
                    "--folder", options_.folder, "--part", absl::StrCat(index), "--parts",
                    absl::StrCat(options_.workers)},
      .environment = ComputeThreads(options_.threads),
      .log_path = absl::StrCat(options_.folder, "/logs/slot-", index, ".log")};
  if (options_.wish_slots) {
    child.arguments.insert(child.arguments.end(), {"--slot", std::to_string(index)});
  }
  child.arguments.insert(child.arguments.end(), options_.arguments.begin(),
                         options_.arguments.end());
  return ChildProcess::Start(child);
}

absl::Status WorkerPool::Start() {
  ASSIGN_OR_RETURN(program_, FindBesideUs("rondo-worker"));
  std::error_code error;
  std::filesystem::create_directories(options_.folder + "/logs", error);
  if (error) {
    return runtime::MakeError(
        "OUTPUT_FAILED", runtime::Exit::kRunFailed,
        absl::StrCat("cannot make ", options_.folder, "/logs: ", error.message()));
  }
  for (std::size_t i = 0; i < options_.workers; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> process, StartOne(i));
    workers_.push_back({.process = std::move(process)});
  }
  return absl::OkStatus();
}

bool WorkerPool::ScheduleRestart(Worker& worker, const ChildExit& exit) {
  const bool died = exit.signal != 0 || exit.code == static_cast<int>(runtime::Exit::kEvicted) ||
                    exit.code == static_cast<int>(runtime::Exit::kInternal);
  if (!died || leaving_) return false;
  const runtime::Time now = std::chrono::steady_clock::now();
  while (!worker.deaths.empty() && now - worker.deaths.front() > kRestartWindow) {
    worker.deaths.pop_front();
  }
  if (worker.deaths.size() >= kMostRestarts) return false;
  worker.restart_at = now + std::min(kFirstBackoff * (1 << worker.deaths.size()), kLongestBackoff);
  worker.deaths.push_back(now);
  return true;
}

std::optional<ChildExit> WorkerPool::Tend(Client& client) {
  std::optional<ChildExit> failure;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    if (worker.restart_at.has_value() && std::chrono::steady_clock::now() >= *worker.restart_at) {
      worker.restart_at.reset();
      absl::StatusOr<std::unique_ptr<ChildProcess>> process = StartOne(i);
      if (process.ok()) {
        worker.process = *std::move(process);
        worker.ended = false;
      }
    }
    if (worker.ended) continue;
    const std::optional<ChildExit> exit = worker.process->TryWait();
    if (!exit.has_value()) continue;
    worker.ended = true;
    const std::string log = worker.process->LogTail();
    const bool comes_back = ScheduleRestart(worker, *exit);
    absl::StatusOr<std::string> host_key = runtime::HostKey();
    client.Tell(actors::ProcessExited{.pid = static_cast<std::uint32_t>(worker.process->pid()),
                                      .host_key = host_key.ok() ? *host_key : "",
                                      .description = absl::StrCat("ended: ", exit->ToString()),
                                      .last_lines = log,
                                      .comes_back = comes_back});
    if (exit->IsSuccess() || comes_back || !failure_log_.empty()) continue;
    failure = exit;
    failure_log_ = log;
  }
  return failure;
}

void WorkerPool::AskToLeave() {
  leaving_ = true;
  for (Worker& worker : workers_) {
    worker.restart_at.reset();
    if (!worker.ended) worker.process->Signal(SIGTERM);
  }
}

void WorkerPool::WaitForEnding(runtime::Time deadline) const {
  std::vector<pollfd> polled;
  for (const int descriptor : Descriptors()) polled.push_back({.fd = descriptor, .events = POLLIN});
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  poll(polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(0, left.count())));
}

std::vector<int> WorkerPool::Descriptors() const {
  std::vector<int> descriptors;
  for (const Worker& worker : workers_) {
    if (!worker.ended) descriptors.push_back(worker.process->descriptor());
  }
  return descriptors;
}

bool WorkerPool::AnyRuns() const {
  return std::ranges::any_of(workers_, [](const Worker& worker) {
    return !worker.ended || worker.restart_at.has_value();
  });
}

void WorkerPool::StopAll(runtime::Time deadline, runtime::Duration grace) {
  std::vector<Worker*> late;
  leaving_ = true;
  for (Worker& worker : workers_) {
    worker.restart_at.reset();
    if (!worker.ended && !worker.process->WaitUntil(deadline).has_value()) late.push_back(&worker);
  }
  for (Worker* worker : late) worker->process->Signal(SIGTERM);
  for (Worker* worker : late) {
    (void)worker->process->Terminate(grace);
    worker->ended = true;
  }
}

}  // namespace apps
