// An Executor with a thread of its own, for an actor's long work.
#ifndef RONDO_RUNTIME_ACTOR_THREAD_EXECUTOR_H_
#define RONDO_RUNTIME_ACTOR_THREAD_EXECUTOR_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstddef>
#include <deque>
#include <string>
#include <thread>

#include "runtime/actor/executor.h"
#include "runtime/base/mutex.h"

namespace runtime {

class ThreadExecutor final : public Executor {
 public:
  struct Options {
    std::string thread_name = "rondo-work";  // At most 15 characters.
    std::size_t most_waiting = 1024;         // Tasks; more is a bug of whoever runs them.
    // An exception escaped a task; on the executor's thread.
    absl::AnyInvocable<void(const absl::Status&)> on_failure;
  };

  explicit ThreadExecutor(Options options);
  // Waits for the task that runs; those that wait are dropped.
  ~ThreadExecutor() override;

  void Run(absl::AnyInvocable<void()> task) override;

 private:
  void Loop();

  Options options_;
  Mutex mutex_;
  Condition changed_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_THREAD_EXECUTOR_H_
