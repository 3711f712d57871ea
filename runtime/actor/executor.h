// Where an actor's long work runs: the training loop has a thread of its own.
#ifndef RONDO_RUNTIME_ACTOR_EXECUTOR_H_
#define RONDO_RUNTIME_ACTOR_EXECUTOR_H_

#include <absl/functional/any_invocable.h>

namespace runtime {

// Runs tasks one after another, in the order given. ThreadExecutor has a thread; the simulator's
// runs a task at a later virtual time. A task reports back through a Poster.
class Executor {
 public:
  virtual ~Executor() = default;
  // Any thread; never blocks.
  virtual void Run(absl::AnyInvocable<void()> task) = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_EXECUTOR_H_
