// The head as part of this process: its node, its sockets, its actor.
#ifndef RONDO_APPS_RONDO_HEAD_PROCESS_H_
#define RONDO_APPS_RONDO_HEAD_PROCESS_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>

#include "actors/journal.h"
#include "runtime/actor/node.h"
#include "runtime/actor/node_thread.h"
#include "runtime/actor/thread_executor.h"
#include "runtime/base/clock.h"
#include "runtime/collective/zmq_transfer.h"
#include "runtime/net/address.h"
#include "runtime/net/zmq_transport.h"

namespace apps {

struct HeadProcessOptions {
  runtime::Address listen;
  std::string advertise;  // Host that others are told to join; empty: the one listened on.
  std::optional<runtime::PortRange> broadcast_ports;
  std::string runs_folder;  // Runs' folders are made here; empty: where each run's config says.
  runtime::LivenessProfile liveness = runtime::LivenessProfile::Local();
  runtime::Logger log;
  // Whether it tries to connect to whoever joins; else all count as reachable.
  bool connects_back = true;
  // Null: nobody takes this head's runs up again. Else what it says, this head's epoch included.
  std::unique_ptr<actors::Journal> journal;
  actors::JournalState known;
  // Adds actors of this process to the node, before it starts.
  absl::AnyInvocable<absl::Status(runtime::Node&)> prepare;
};

// Main thread. The head runs from Start to destruction.
class HeadProcess {
 public:
  // ADDRESS_IN_USE and the like, exit 2.
  static absl::StatusOr<std::unique_ptr<HeadProcess>> Start(HeadProcessOptions options);
  ~HeadProcess();

  runtime::Node& node() { return *node_; }
  // "HOST:PORT": what `rondo join` takes.
  std::string join_address() const;
  // Set once the cluster is to end: `rondo down` (OK), or why a run failed.
  std::optional<absl::Status> Ended() const { return node_->Ended(); }
  // Stops orderly: every node hears that the head ends.
  void Stop();

 private:
  HeadProcess() = default;
  std::uint32_t epoch() const { return std::max(options_.known.epoch, 1U); }

  // What a head with a journal needs for checkpoints.
  absl::Status PrepareCheckpoints(runtime::NodeId id);

  HeadProcessOptions options_;
  runtime::SteadyClock clock_;
  std::unique_ptr<runtime::ZmqTransport> transport_;
  std::unique_ptr<runtime::Node> node_;
  std::unique_ptr<runtime::ThreadExecutor> connector_;
  std::unique_ptr<runtime::ThreadExecutor> disk_;
  std::unique_ptr<runtime::ZmqTransfer> transfer_;  // Its callbacks use the disk.
  std::unique_ptr<runtime::NodeThread> thread_;
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_HEAD_PROCESS_H_
