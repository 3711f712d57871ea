#include "apps/rondo/child_process.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>

#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace apps {
namespace {

using runtime::Exit;
using runtime::MakeError;

constexpr std::size_t kTailBytes = 64 * 1024;

absl::Status NotStarted(const std::string& what, int error) {
  return MakeError("CHILD_NOT_STARTED", Exit::kInternal,
                   absl::StrCat("cannot start ", what, ": ", std::strerror(error)));
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  void Close() {
    if (number_ >= 0) close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

// By hand: glibc 2.36 declares pidfd_open for C alone. The kernel sets close-on-exec itself.
int OpenPidDescriptor(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// Our environment with `changes`, as NAME=VALUE.
std::vector<std::string> MergedEnvironment(
    const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> lines;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line) {
    const std::string text = *line;
    const bool is_changed = std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
      return absl::StartsWith(text, absl::StrCat(change.first, "="));
    });
    if (!is_changed) lines.push_back(text);
  }
  for (const auto& [name, value] : changes) lines.push_back(absl::StrCat(name, "=", value));
  return lines;
}

// For execve: pointers into `lines`, ended by null.
std::vector<char*> Pointers(std::vector<std::string>& lines) {
  std::vector<char*> pointers;
  pointers.reserve(lines.size() + 1);
  for (std::string& line : lines) pointers.push_back(line.data());
  pointers.push_back(nullptr);
  return pointers;
}

// All that the child needs between fork and exec, where it may not allocate.
struct Launch {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  int input = -1;
  int log = -1;
  int failure = -1;  // errno of what went wrong is written here; closed by a successful exec.
  pid_t parent = 0;
};

[[noreturn]] void FailLaunch(const Launch& launch) {
  const int error = errno;
  const ssize_t written = write(launch.failure, &error, sizeof(error));
  _exit(written == sizeof(error) ? 127 : 126);
}

// In the child; only async-signal-safe calls, since the parent may have threads.
[[noreturn]] void RunChild(const Launch& launch) {
  setpgid(0, 0);  // The terminal's Ctrl-C is for us; we tell the children.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) FailLaunch(launch);
  if (getppid() != launch.parent) _exit(127);  // The parent died before prctl.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (dup2(launch.input, 0) < 0 || dup2(launch.log, 1) < 0 || dup2(launch.log, 2) < 0) {
    FailLaunch(launch);
  }
  execve(launch.program, launch.arguments, launch.environment);
  FailLaunch(launch);
}

// 0 once the child runs its program, else the errno that kept it from doing so.
int ReadFailure(int pipe) {
  int error = 0;
  ssize_t count;
  do {
    count = read(pipe, &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  return count == sizeof(error) ? error : 0;
}

}  // namespace

std::string ChildExit::ToString() const {
  if (signal == 0) return absl::StrCat("exit ", code);
  return absl::StrCat("signal ", signal, " (", strsignal(signal), ")");
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const ChildOptions& options) {
  const Descriptor log(
      open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (log.get() < 0) return NotStarted(absl::StrCat("a child with log ", options.log_path), errno);
  const Descriptor input(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (input.get() < 0) return NotStarted("a child with stdin /dev/null", errno);
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return NotStarted(options.program, errno);
  const Descriptor failure_read(pipe_ends[0]);
  Descriptor failure_write(pipe_ends[1]);

  std::vector<std::string> arguments = {options.program};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = MergedEnvironment(options.environment);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const Launch launch{.program = options.program.c_str(),
                      .arguments = argument_pointers.data(),
                      .environment = environment_pointers.data(),
                      .input = input.get(),
                      .log = log.get(),
                      .failure = failure_write.get(),
                      .parent = getpid()};
  const pid_t pid = fork();
  if (pid < 0) return NotStarted(options.program, errno);
  if (pid == 0) RunChild(launch);
  setpgid(pid, pid);  // Also here, so that the group exists when Start returns.
  failure_write.Close();
  const int error = ReadFailure(failure_read.get());
  const int descriptor = error == 0 ? OpenPidDescriptor(pid) : -1;
  if (descriptor < 0) {
    const int reason = error != 0 ? error : errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return NotStarted(options.program, reason);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, descriptor, options.log_path));
}

ChildProcess::ChildProcess(pid_t pid, int descriptor, std::string log_path)
    : pid_(pid), descriptor_(descriptor), log_path_(std::move(log_path)) {}

ChildProcess::~ChildProcess() {
  Terminate(runtime::Duration(0));
  close(descriptor_);
}

ChildExit ChildProcess::Reap() {
  int status = 0;
  pid_t reaped;
  do {
    reaped = waitpid(pid_, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  REQUIRE(reaped == pid_);
  ChildExit how;
  if (WIFSIGNALED(status)) {
    how.signal = WTERMSIG(status);
  } else {
    how.code = WEXITSTATUS(status);
  }
  exit_ = how;
  return how;
}

std::optional<ChildExit> ChildProcess::TryWait() { return WaitUntil(runtime::Time::min()); }

std::optional<ChildExit> ChildProcess::WaitUntil(runtime::Time deadline) {
  while (!exit_.has_value()) {
    const auto now = std::chrono::steady_clock::now();
    const auto left = deadline <= now ? runtime::Duration(0) : runtime::Duration(deadline - now);
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd watch{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const int ready = poll(
        &watch, 1,
        static_cast<int>(std::min<std::int64_t>(milliseconds, std::numeric_limits<int>::max())));
    if (ready > 0) Reap();
    if (ready == 0 && milliseconds == 0) break;
  }
  return exit_;
}

void ChildProcess::Signal(int number) {
  // The id cannot be another process's: it is ours until we reap it.
  if (!exit_.has_value()) kill(-pid_, number);
}

ChildExit ChildProcess::Terminate(runtime::Duration grace) {
  if (exit_.has_value()) return *exit_;
  if (grace > runtime::Duration(0)) {
    Signal(SIGTERM);
    Signal(SIGCONT);  // A stopped process takes no SIGTERM.
    WaitUntil(std::chrono::steady_clock::now() + grace);
  }
  if (exit_.has_value()) return *exit_;
  Signal(SIGKILL);
  return Reap();
}

std::string ChildProcess::LogTail(std::size_t lines) const { return TailOfFile(log_path_, lines); }

std::vector<std::pair<std::string, std::string>> ComputeThreads(unsigned threads) {
  return {{"OPENBLAS_NUM_THREADS", "1"},
          {"MKL_NUM_THREADS", "1"},
          {"OMP_NUM_THREADS", std::to_string(threads)}};
}

absl::StatusOr<std::string> FindBesideUs(const std::string& name) {
  std::array<char, 4096> path{};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return NotStarted(name, errno);
  const std::string us(path.data(), static_cast<std::size_t>(size));
  const std::string found = us.substr(0, us.rfind('/') + 1) + name;
  if (access(found.c_str(), X_OK) == 0) return found;
  return MakeError("PROGRAM_NOT_FOUND", Exit::kInternal,
                   absl::StrCat("cannot run ", found, ": ", std::strerror(errno)),
                   "rondo and rondo-worker belong into one folder; build both");
}

std::string TailOfFile(const std::string& path, std::size_t lines) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat attributes {};
  if (file.get() < 0 || fstat(file.get(), &attributes) != 0) return "";
  const auto size = static_cast<std::size_t>(attributes.st_size);
  std::string text(std::min(size, kTailBytes), '\0');
  const ssize_t count =
      pread(file.get(), text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t begin = text.size();
  for (std::size_t seen = 0; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && ++seen == lines) break;
  }
  return text.substr(begin);
}

}  // namespace apps
