#include "apps/rondo/signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/status_matchers.h"

namespace apps {
namespace {

runtime::Time Soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

TEST(StopSignals, TheFirstIsToldAndTheProcessGoesOn) {
  for (const int number : {SIGINT, SIGTERM}) {
    auto signals = StopSignals::Install();
    ASSERT_OK(signals);
    EXPECT_EQ((*signals)->received(), 0);
    EXPECT_EQ((*signals)->WaitUntil(runtime::Time::min()), 0);
    raise(number);
    EXPECT_EQ((*signals)->WaitUntil(Soon()), number);
    EXPECT_EQ((*signals)->ExitCode(), 128 + number);
    pollfd watch{.fd = (*signals)->descriptor(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&watch, 1, 0), 1);
  }
}

TEST(StopSignals, TheSecondEndsTheProcessAtOnce) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto signals = StopSignals::Install();
    raise(SIGINT);
    raise(SIGTERM);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
}

TEST(StopSignals, PutsBackWhatWasThere) {
  struct sigaction before {
  }, after{};
  sigaction(SIGINT, nullptr, &before);
  { ASSERT_OK(StopSignals::Install()); }
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace apps
