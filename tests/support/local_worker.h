// A worker in this process, over real sockets, that trains the quadratic model: for tests of what a
// head and its clients do, without rondo-worker and torch. It cannot hand its base to newcomers.
#ifndef RONDO_TESTS_SUPPORT_LOCAL_WORKER_H_
#define RONDO_TESTS_SUPPORT_LOCAL_WORKER_H_

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>

#include "actors/replica.h"
#include "runtime/actor/node.h"
#include "runtime/actor/node_thread.h"
#include "runtime/actor/thread_executor.h"
#include "runtime/base/clock.h"
#include "runtime/collective/transfer.h"
#include "runtime/collective/zmq_ring.h"
#include "runtime/net/zmq_transport.h"

namespace tests {

// The test's thread.
class LocalWorker {
 public:
  // Joins the head at `head`, HOST:PORT. `folder` takes its scratch files.
  static absl::StatusOr<std::unique_ptr<LocalWorker>> Join(const std::string& head,
                                                           const std::string& name,
                                                           const std::string& folder);
  ~LocalWorker();

  // Why its process would have ended, waited for until `deadline`.
  std::optional<absl::Status> WaitEnded(runtime::Time deadline) {
    return node_->WaitEnded(deadline);
  }
  // Ends it in order, as its process does once it has to.
  void Stop();

 private:
  LocalWorker() = default;

  runtime::SteadyClock clock_;
  actors::TrainerFactory make_trainer_;
  std::unique_ptr<runtime::Transfer> transfer_;
  std::unique_ptr<runtime::ZmqTransport> transport_;
  std::unique_ptr<runtime::ZmqRing> ring_;
  std::unique_ptr<runtime::Node> node_;
  std::unique_ptr<runtime::ThreadExecutor> training_;
  std::unique_ptr<runtime::NodeThread> thread_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_LOCAL_WORKER_H_
