#include "apps/rondo/child_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/base/error.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

runtime::Time Soon() { return std::chrono::steady_clock::now() + seconds(20); }

class Child : public testing::Test {
 protected:
  Child() : folder_(testing::TempDir() + "rondo_child_" + std::to_string(getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Child() override { std::filesystem::remove_all(folder_); }

  std::string LogPath() const { return folder_ + "/log"; }
  std::unique_ptr<ChildProcess> Bash(const std::string& script) {
    auto child = ChildProcess::Start(
        {.program = "/bin/bash", .arguments = {"-c", script}, .log_path = LogPath()});
    EXPECT_OK(child);
    return child.ok() ? *std::move(child) : nullptr;
  }
  // Returns when the child has written `text`, which it does when it is ready.
  void AwaitLog(const std::string& text) const {
    const runtime::Time deadline = Soon();
    while (tests::ReadWholeFile(LogPath()).find(text) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }

  std::string folder_;
};

TEST_F(Child, TellsHowItEnded) {
  auto child = Bash("exit 3");
  const auto how = child->WaitUntil(Soon());
  ASSERT_TRUE(how.has_value());
  EXPECT_EQ(how->code, 3);
  EXPECT_EQ(how->ToString(), "exit 3");
  EXPECT_FALSE(how->IsSuccess());
  EXPECT_EQ(child->TryWait()->code, 3);
}

TEST_F(Child, TellsTheSignalThatKilledIt) {
  auto child = Bash("kill -9 $$");
  const auto how = child->WaitUntil(Soon());
  ASSERT_TRUE(how.has_value());
  EXPECT_EQ(how->signal, SIGKILL);
  EXPECT_EQ(how->ToString(), "signal 9 (Killed)");
}

TEST_F(Child, AppendsBothStreamsToItsLogAndReadsNothing) {
  std::ofstream(LogPath()) << "before\n";
  auto child = Bash("echo out; echo err >&2; cat");
  ASSERT_TRUE(child->WaitUntil(Soon()).has_value());
  EXPECT_EQ(tests::ReadWholeFile(LogPath()), "before\nout\nerr\n");
}

TEST_F(Child, ShowsTheLastLinesOfItsLog) {
  auto child = Bash("for i in $(seq 1000); do echo line $i; done");
  ASSERT_TRUE(child->WaitUntil(Soon()).has_value());
  const std::string tail = child->LogTail();
  EXPECT_EQ(std::count(tail.begin(), tail.end(), '\n'), 19);
  EXPECT_EQ(tail.rfind("line 981\n", 0), 0u) << tail;
  EXPECT_EQ(tail.substr(tail.size() - 9), "line 1000");
  EXPECT_EQ(child->LogTail(1), "line 1000");
}

TEST_F(Child, TheTailOfAnEndlessLineIsBounded) {
  std::ofstream(LogPath()) << std::string(1'000'000, 'x');
  EXPECT_EQ(TailOfFile(LogPath(), 20).size(), 64u * 1024);
  EXPECT_EQ(TailOfFile(folder_ + "/none", 20), "");
  std::ofstream(folder_ + "/empty").flush();
  EXPECT_EQ(TailOfFile(folder_ + "/empty", 20), "");
}

TEST_F(Child, SeesTheEnvironmentThatWasAsked) {
  ASSERT_EQ(setenv("OMP_NUM_THREADS", "77", 1), 0);
  auto child = ChildProcess::Start({.program = "/bin/bash",
                                    .arguments = {"-c", "env | grep _NUM_THREADS | sort"},
                                    .environment = ComputeThreads(2),
                                    .log_path = LogPath()});
  unsetenv("OMP_NUM_THREADS");
  ASSERT_OK(child);
  ASSERT_TRUE((*child)->WaitUntil(Soon()).has_value());
  EXPECT_EQ(tests::ReadWholeFile(LogPath()),
            "MKL_NUM_THREADS=1\nOMP_NUM_THREADS=2\nOPENBLAS_NUM_THREADS=1\n");
}

TEST_F(Child, ItsDescriptorBecomesReadableWhenItEnds) {
  auto child = Bash("exit 0");
  pollfd watch{.fd = child->descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&watch, 1, 20'000), 1);
  EXPECT_TRUE(child->TryWait().has_value());
}

TEST_F(Child, WaitingEndsAtTheDeadline) {
  auto child = Bash("exec sleep 1000");
  EXPECT_FALSE(child->TryWait().has_value());
  EXPECT_FALSE(child->WaitUntil(std::chrono::steady_clock::now() + milliseconds(20)).has_value());
}

TEST_F(Child, EndsByItselfWithinItsGrace) {
  auto child = Bash("trap 'echo bye; exit 5' TERM; echo ready; sleep 1000 & wait");
  AwaitLog("ready");
  const ChildExit how = child->Terminate(seconds(20));
  EXPECT_EQ(how.code, 5);
  EXPECT_EQ(child->LogTail(1), "bye");
}

TEST_F(Child, IsKilledWhenItIgnoresItsGrace) {
  auto child = Bash("trap '' TERM; echo ready; while :; do sleep 1000; done");
  AwaitLog("ready");
  EXPECT_EQ(child->Terminate(milliseconds(20)).signal, SIGKILL);
}

TEST_F(Child, EndsInOrderEvenWhenItIsStopped) {
  auto child = Bash("echo ready; exec sleep 1000");
  AwaitLog("ready");
  child->Signal(SIGSTOP);
  EXPECT_EQ(child->Terminate(seconds(20)).signal, SIGTERM);
}

TEST_F(Child, TakesItsOwnChildrenWithIt) {
  pid_t grandchild = 0;
  {
    auto child = Bash("sleep 1000 & echo $!; wait");
    AwaitLog("\n");
    grandchild = static_cast<pid_t>(std::stol(tests::ReadWholeFile(LogPath())));
    ASSERT_EQ(kill(grandchild, 0), 0);
  }
  // Its new parent, not we, reaps it: gone or a zombie is dead.
  const runtime::Time deadline = Soon();
  const std::string status = "/proc/" + std::to_string(grandchild) + "/status";
  for (std::string text = "R"; !text.empty() && text.find("State:\tZ") == std::string::npos;) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    text = tests::ReadWholeFile(status);
  }
}

TEST_F(Child, DiesWithItsParent) {
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    auto child = ChildProcess::Start({.program = "/bin/bash",
                                      .arguments = {"-c", "echo $$ ready; exec sleep 1000"},
                                      .log_path = LogPath()});
    while (child.ok() && tests::ReadWholeFile(LogPath()).find("ready") == std::string::npos) {
    }
    _exit(0);  // Without the destructor, as after a crash.
  }
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  const std::string pid = std::to_string(std::stol(tests::ReadWholeFile(LogPath())));
  const runtime::Time deadline = Soon();
  for (std::string text = "R"; !text.empty() && text.find("State:\tZ") == std::string::npos;) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    text = tests::ReadWholeFile("/proc/" + pid + "/status");
  }
}

TEST_F(Child, AProgramThatCannotRunIsNamed) {
  for (const std::string& program : {folder_ + "/missing", folder_}) {
    const auto child = ChildProcess::Start({.program = program, .log_path = LogPath()});
    ASSERT_FALSE(child.ok());
    const runtime::UserError error = runtime::ToUserError(child.status());
    EXPECT_EQ(error.code, "CHILD_NOT_STARTED");
    EXPECT_NE(error.message.find(program), std::string::npos) << error.message;
  }
  const auto child =
      ChildProcess::Start({.program = "/bin/true", .log_path = folder_ + "/no/such/folder"});
  EXPECT_THAT(child, tests::HasMessage("/no/such/folder"));
}

TEST_F(Child, LeavesNoDescriptorBehind) {
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    auto child = Bash("exit 0");
    EXPECT_FALSE(ChildProcess::Start({.program = "/no", .log_path = LogPath()}).ok());
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(FindBesideUs, FindsThisTestAndNamesWhatIsMissing) {
  const std::filesystem::path us = std::filesystem::read_symlink("/proc/self/exe");
  const auto found = FindBesideUs(us.filename().string());
  ASSERT_OK(found);
  EXPECT_EQ(*found, us.string());
  EXPECT_THAT(FindBesideUs("no-such-program"), tests::HasMessage("/no-such-program: No such file"));
}

}  // namespace
}  // namespace apps
