#include "apps/rondo/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>

#include "runtime/base/require.h"

namespace apps {
namespace {

// A signal handler can reach nothing but statics.
std::atomic<int> first_signal{0};
std::atomic<int> wake_descriptor{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int number) {
  const int error_before = errno;
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, number)) _exit(128 + number);
  const std::uint64_t one = 1;
  // An eventfd takes the first write always; there is nobody to tell otherwise.
  [[maybe_unused]] const ssize_t written = write(wake_descriptor.load(), &one, sizeof(one));
  errno = error_before;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StopSignals>> StopSignals::Install() {
  REQUIRE(wake_descriptor.load() == -1);
  const int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return absl::InternalError(std::strerror(errno));
  first_signal.store(0);
  wake_descriptor.store(descriptor);
  std::unique_ptr<StopSignals> signals(new StopSignals(descriptor));
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &signals->interrupt_before_);
  sigaction(SIGTERM, &action, &signals->terminate_before_);
  return signals;
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &interrupt_before_, nullptr);
  sigaction(SIGTERM, &terminate_before_, nullptr);
  wake_descriptor.store(-1);
  close(descriptor_);
}

int StopSignals::received() const { return first_signal.load(); }

int StopSignals::WaitUntil(runtime::Time deadline) const {
  while (received() == 0) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) break;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
    pollfd watch{.fd = descriptor_, .events = POLLIN, .revents = 0};
    poll(&watch, 1,
         static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max())));
  }
  return received();
}

}  // namespace apps
