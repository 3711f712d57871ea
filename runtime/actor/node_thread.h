// The actor thread of a real process: runs a Node until it is stopped.
#ifndef RONDO_RUNTIME_ACTOR_NODE_THREAD_H_
#define RONDO_RUNTIME_ACTOR_NODE_THREAD_H_

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <atomic>
#include <string>
#include <thread>

#include "runtime/actor/node.h"
#include "runtime/base/mutex.h"

namespace runtime {

class NodeThread {
 public:
  // `node` outlives it.
  explicit NodeThread(Node& node) : node_(node) {}
  // Stops the node if nobody has. A handler that still blocks then is a bug, and ends the process.
  ~NodeThread();

  // Starts the transport and the thread; the actors start on it.
  absl::Status Start();
  // Returns when `stop` says so (asked every 20 ms, for flags that a signal handler sets), or when
  // the node has to end: then its reason.
  absl::Status RunUntil(absl::FunctionRef<bool()> stop);
  // The ordered stop (Node::Stop). kDeadlineExceeded: a handler does not return; the caller can
  // only end the process.
  absl::Status Stop(Duration timeout, Duration linger = std::chrono::milliseconds(500),
                    const std::string& reason = "it was asked to stop");

 private:
  void Loop();

  Node& node_;
  std::thread thread_;
  std::atomic<bool> stop_{false};
  Duration linger_{};   // Written before stop_ is.
  std::string reason_;  // Written before stop_ is.
  Mutex mutex_;
  Condition changed_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_NODE_THREAD_H_
