// SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process at once.
#ifndef RONDO_APPS_RONDO_SIGNALS_H_
#define RONDO_APPS_RONDO_SIGNALS_H_

#include <absl/status/statusor.h>

#include <csignal>
#include <memory>

#include "runtime/base/clock.h"

namespace apps {

// At most one at a time. The second signal exits with 128+n from the handler itself, so that it
// works even when the rest hangs; children die with us (child_process.h).
class StopSignals {
 public:
  static absl::StatusOr<std::unique_ptr<StopSignals>> Install();
  // Puts back what was there before.
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // For poll: readable from the first signal on. Any thread.
  int descriptor() const { return descriptor_; }
  // The first signal, or 0. Any thread.
  int received() const;
  // Waits for it until `deadline`; 0 if none came.
  int WaitUntil(runtime::Time deadline) const;
  // The exit code of a verb that ended because of it: 128+n.
  int ExitCode() const { return 128 + received(); }

 private:
  explicit StopSignals(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
  struct sigaction interrupt_before_ {};
  struct sigaction terminate_before_ {};
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_SIGNALS_H_
