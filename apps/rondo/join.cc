// `rondo join`: worker processes of this machine for a head elsewhere.
#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "apps/rondo/client.h"
#include "apps/rondo/host_name.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/verbs.h"
#include "apps/rondo/worker_pool.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace apps {
namespace {

constexpr runtime::Duration kGlance = std::chrono::milliseconds(100);
// A worker that lost its head writes its model first.
constexpr runtime::Duration kWorkersEnd = std::chrono::seconds(4);
constexpr runtime::Duration kGrace = std::chrono::seconds(2);

// Scratch space of the workers, gone at the end unless a worker left a model in it.
class Folder {
 public:
  Folder()
      : path_((std::filesystem::temp_directory_path() / absl::StrCat("rondo-join-", getpid()))
                  .string()) {}
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_ + "/logs", error);
    std::filesystem::remove(path_, error);  // Only if empty.
  }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

absl::Status RefuseOffLoopback(const JoinOptions& options) {
  ASSIGN_OR_RETURN(const runtime::Address address, runtime::ParseConnectAddress(options.where));
  if (address.IsLoopback() || options.insecure) return absl::OkStatus();
  return runtime::MakeError(
      "INSECURE", runtime::Exit::kUsage,
      absl::StrCat(options.where, " is not on this machine, and the connection is not encrypted"),
      "add --insecure on both sides if everyone on that network may read and join");
}

absl::Status WorkerFailed(const ChildExit& exit, const std::string& log) {
  const runtime::Exit code = exit.signal == 0 && exit.code > 0 && exit.code <= 9
                                 ? static_cast<runtime::Exit>(exit.code)
                                 : runtime::Exit::kRunFailed;
  return runtime::MakeError("WORKER_ENDED", code,
                            absl::StrCat("a worker of this machine ended: ", exit.ToString(),
                                         log.empty() ? "" : "; the last lines of its log:\n", log));
}

}  // namespace

absl::StatusOr<int> Join(const JoinOptions& options, Output& output) {
  RETURN_IF_ERROR(RefuseOffLoopback(options));
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  const std::string name = options.name.empty() ? HostName() : options.name;
  if (!options.data_dir.empty()) setenv("RONDO_DATA", options.data_dir.c_str(), 1);
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = options.where,
                                    .role = "launcher",
                                    .name = name,
                                    .timeout = options.timeout,
                                    .outlives_head = true}));
  const Folder folder;
  WorkerPoolOptions pool{.head = options.where,
                         .workers = options.workers,
                         .threads = options.threads,
                         .name = name,
                         .folder = folder.path()};
  if (!options.advertise.empty()) {
    pool.arguments.insert(pool.arguments.end(), {"--advertise", options.advertise});
  }
  if (options.port_range.has_value()) {
    pool.arguments.insert(
        pool.arguments.end(),
        {"--port-range", absl::StrCat(options.port_range->first, "-", options.port_range->last)});
  }
  WorkerPool workers(pool);
  RETURN_IF_ERROR(workers.Start());
  output.Note(absl::StrCat("joined ", options.where, " as ", name, " with ", options.workers,
                           options.workers == 1 ? " worker" : " workers", "; leave with Ctrl-C"));
  bool leaving = false, sees_head = true;
  while (workers.AnyRuns()) {
    if (client->SeesHead() != sees_head && !client->Ended().has_value()) {
      sees_head = !sees_head;
      output.Note(sees_head
                      ? "the head is back"
                      : "the head is gone; the workers train on, and wait for it to come back");
    }
    const runtime::Time glance = std::chrono::steady_clock::now() + kGlance;
    if (leaving) {
      workers.WaitForEnding(glance);
    } else if (signals->WaitUntil(glance) != 0) {
      leaving = true;
      output.Note("leaving; the workers' drift is averaged in first; once more to end at once");
      workers.AskToLeave();
    }
    if (const std::optional<ChildExit> failure = workers.Tend(*client)) {
      workers.StopAll(std::chrono::steady_clock::now() + kWorkersEnd, kGrace);
      return WorkerFailed(*failure, workers.failure_log());
    }
    if (const std::optional<absl::Status> ended = client->Ended()) {
      workers.StopAll(std::chrono::steady_clock::now() + kWorkersEnd, kGrace);
      const std::optional<ChildExit> failure = workers.Tend(*client);
      // Of a run that failed, or of a head that was lost, a worker knows more than we do.
      if (failure.has_value()) return WorkerFailed(*failure, workers.failure_log());
      if (ended->ok() || runtime::ToUserError(*ended).code == "HEAD_STOPPED") return 0;
      return *ended;
    }
  }
  return 0;
}

}  // namespace apps
