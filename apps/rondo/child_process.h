// One child process: started with its own group and log file, watched without polling, ended with
// a grace. It dies with us, even if we are killed.
//
// One thread owns the object. The thread that calls Start must live as long as the child: Linux
// sends the parent's death signal when the thread that forked ends, not the process.
#ifndef RONDO_APPS_RONDO_CHILD_PROCESS_H_
#define RONDO_APPS_RONDO_CHILD_PROCESS_H_

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"

namespace apps {

struct ChildOptions {
  std::string program;  // A path.
  std::vector<std::string> arguments;
  // Added to our environment, or in place of what stands there.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string log_path;  // Both output streams are appended to it; stdin is /dev/null.
};

// How it ended.
struct ChildExit {
  int code = 0;    // Meaningful if signal is 0.
  int signal = 0;  // That killed it, or 0.

  bool IsSuccess() const { return code == 0 && signal == 0; }
  // "exit 3", "signal 9 (Killed)".
  std::string ToString() const;
};

class ChildProcess {
 public:
  // CHILD_NOT_STARTED, exit 70, with the program or the log file and the reason.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const ChildOptions& options);
  // Kills the child and its group if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // For poll: readable as soon as the child has ended.
  int descriptor() const { return descriptor_; }

  // How it ended, if it has. Never blocks.
  std::optional<ChildExit> TryWait();
  // Waits until it ends or `deadline` comes.
  std::optional<ChildExit> WaitUntil(runtime::Time deadline);
  // To the child's whole group; nothing if it has ended.
  void Signal(int number);
  // SIGTERM, and SIGKILL after `grace`; returns when it has ended.
  ChildExit Terminate(runtime::Duration grace);

  // Its last lines of output, at most `lines`, for an error message.
  std::string LogTail(std::size_t lines = 20) const;

 private:
  ChildProcess(pid_t pid, int descriptor, std::string log_path);
  // Reaps what has ended.
  ChildExit Reap();

  const pid_t pid_;
  const int descriptor_;
  const std::string log_path_;
  std::optional<ChildExit> exit_;
};

// What every worker process needs: one thread for BLAS, whose own threads would fight OpenMP's,
// and `threads` for OpenMP. Has to be set before the process starts.
std::vector<std::pair<std::string, std::string>> ComputeThreads(unsigned threads);

// The path of `name` in the folder of this executable. PROGRAM_NOT_FOUND, exit 70.
absl::StatusOr<std::string> FindBesideUs(const std::string& name);

// The last lines of the file at `path`, at most `lines` and 64 KiB; "" if it cannot be read.
std::string TailOfFile(const std::string& path, std::size_t lines);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_CHILD_PROCESS_H_
