#include "tests/support/processes.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "runtime/base/random.h"

namespace tests {
namespace {

namespace fs = std::filesystem;

constexpr runtime::Duration kEnding = kSlowness * std::chrono::seconds(2);
// Of the files into which sanitizers write.
constexpr char kFindingsPrefix[] = "sanitizer";

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// argv and envp want pointers to char that is not const.
std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

struct Socket {
  std::uint16_t port = 0;  // 0: a local one.
  std::string name;
};

// The listening TCP sockets and the named local ones of this network namespace, by inode.
std::map<std::uint64_t, Socket> OpenSockets() {
  std::map<std::uint64_t, Socket> sockets;
  std::string line;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::getline(file, line);
    while (std::getline(file, line)) {
      const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
      std::uint64_t inode = 0;
      constexpr char kListening[] = "0A";
      if (fields.size() < 10 || fields[3] != kListening || !absl::SimpleAtoi(fields[9], &inode)) {
        continue;
      }
      const std::string port = fields[1].substr(fields[1].rfind(':') + 1);
      const auto number = static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 16));
      sockets[inode] = {.port = number, .name = absl::StrCat("port ", number)};
    }
  }
  std::ifstream file("/proc/net/unix");
  std::getline(file, line);
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    std::uint64_t inode = 0;
    if (fields.size() < 8 || !absl::SimpleAtoi(fields[6], &inode)) continue;
    sockets[inode] = {.name = absl::StrCat("local socket ", fields[7])};
  }
  return sockets;
}

std::set<std::uint64_t> InodesOf(pid_t process) {
  std::set<std::uint64_t> inodes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(absl::StrCat("/proc/", process, "/fd"), error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    std::uint64_t inode = 0;
    if (absl::StartsWith(target, "socket:[") &&
        absl::SimpleAtoi(target.substr(8, target.size() - 9), &inode)) {
      inodes.insert(inode);
    }
  }
  return inodes;
}

std::string FreshName() {
  return absl::StrCat("rondo-e2e-", absl::Hex(runtime::RandomFromSystem()));
}

}  // namespace

bool Eventually(absl::FunctionRef<bool()> holds, runtime::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

Process::Process(std::vector<std::string> command, const std::string& folder,
                 const std::vector<std::string>& environment, const std::string& output_prefix)
    : command_(std::move(command)), output_prefix_(output_prefix) {
  const std::vector<char*> arguments = Pointers(command_);
  const std::vector<char*> variables = Pointers(environment);
  const std::string out = output_prefix_ + ".out", err = output_prefix_ + ".err";
  pid_ = fork();
  if (pid_ != 0) return;
  // The child, until exec: system calls only.
  const auto open_as = [](const char* path, int flags, int descriptor) {
    const int file = open(path, flags, 0644);
    return file >= 0 && dup2(file, descriptor) >= 0;
  };
  constexpr int kWrite = O_WRONLY | O_CREAT | O_APPEND;
  if (chdir(folder.c_str()) == 0 && open_as("/dev/null", O_RDONLY, 0) &&
      open_as(out.c_str(), kWrite, 1) && open_as(err.c_str(), kWrite, 2)) {
    execve(arguments[0], arguments.data(), variables.data());
  }
  _exit(127);
}

Process::~Process() {
  if (exit_.has_value()) return;
  Signal(SIGKILL);
  (void)WaitExit();
}

void Process::Signal(int number) const {
  if (!exit_.has_value() && pid_ > 0) kill(pid_, number);
}

std::optional<int> Process::WaitExit(runtime::Duration timeout) {
  Eventually(
      [this] {
        int status = 0;
        if (exit_.has_value() || waitpid(pid_, &status, WNOHANG) == 0) return exit_.has_value();
        exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return true;
      },
      timeout);
  return exit_;
}

std::string Process::out() const { return ReadFile(output_prefix_ + ".out"); }
std::string Process::err() const { return ReadFile(output_prefix_ + ".err"); }

bool Process::WaitOutput(const std::string& text, runtime::Duration timeout) {
  bool found = false;
  Eventually(
      [&] {
        const bool ended = WaitExit(runtime::Duration::zero()).has_value();
        found = absl::StrContains(out(), text) || absl::StrContains(err(), text);
        return found || ended;
      },
      timeout);
  return found;
}

std::string Process::Describe() const {
  constexpr std::size_t kMost = 4000;
  const auto end_of = [](const std::string& text) {
    return text.size() > kMost ? "..." + text.substr(text.size() - kMost) : text;
  };
  return absl::StrCat(absl::StrJoin(command_, " "), "\nexit ",
                      exit_.has_value() ? std::to_string(*exit_) : "none", "\nstdout:\n",
                      end_of(out()), "\nstderr:\n", end_of(err()));
}

Sandbox::Sandbox()
    : mark_(absl::StrCat("RONDO_TEST_SANDBOX=", FreshName())),
      folder_(testing::TempDir() + mark_.substr(mark_.find('=') + 1)) {
  fs::create_directories(folder_ + "/tmp");
  environment_ = {mark_, absl::StrCat("PATH=", std::getenv("PATH")),
                  absl::StrCat("TMPDIR=", folder_, "/tmp"), absl::StrCat("HOME=", folder_)};
  // Into files of their own, because nobody may read the output of the process that is at fault.
  // The exit code is none of ours, lest a finding pass for the failure that a test expects.
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
    environment_.push_back(absl::StrCat(name, "=exitcode=99:print_stacktrace=1:log_path=", folder_,
                                        "/", kFindingsPrefix));
  }
}

Sandbox::~Sandbox() {
  for (const auto& [process, command] : Living()) {
    if (process != getpid()) kill(process, SIGKILL);
  }
  ExpectNoFindings();
  std::error_code error;
  fs::remove_all(folder_, error);
}

void Sandbox::ExpectNoFindings() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (!absl::StartsWith(entry.path().filename().string(), kFindingsPrefix)) continue;
    ADD_FAILURE() << "a sanitizer says:\n" << ReadFile(entry.path().string());
  }
}

std::string Sandbox::Write(const std::string& name, const std::string& text) const {
  std::string path = absl::StrCat(folder_, "/", name);
  std::ofstream(path) << text;
  return path;
}

std::unique_ptr<Process> Sandbox::Start(std::vector<std::string> command) {
  if (!absl::StrContains(command[0], '/')) {
    command[0] = (fs::path(RONDO_PROGRAM).parent_path() / command[0]).string();
  }
  return std::make_unique<Process>(std::move(command), folder_, environment_,
                                   absl::StrCat(folder_, "/output-", ++started_));
}

std::unique_ptr<Process> Sandbox::Run(std::vector<std::string> command) {
  std::unique_ptr<Process> process = Start(std::move(command));
  EXPECT_TRUE(process->WaitExit().has_value()) << process->Describe();
  return process;
}

std::map<pid_t, std::string> Sandbox::Living() const {
  std::map<pid_t, std::string> living;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    pid_t process = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &process)) continue;
    // Empty for a process that has ended and waits for its parent.
    const std::string environment = ReadFile(entry.path().string() + "/environ");
    if (!absl::StrContains(environment, mark_)) continue;
    std::string command = ReadFile(entry.path().string() + "/cmdline");
    for (char& c : command) c = c == '\0' ? ' ' : c;
    living[process] = command;
  }
  return living;
}

std::vector<pid_t> Sandbox::LivingWith(const std::string& text) const {
  std::vector<pid_t> found;
  for (const auto& [process, command] : Living()) {
    if (absl::StrContains(command, text)) found.push_back(process);
  }
  return found;
}

std::vector<std::uint16_t> Sandbox::PortsOf(pid_t process) {
  const std::set<std::uint64_t> inodes = InodesOf(process);
  std::vector<std::uint16_t> ports;
  for (const auto& [inode, socket] : OpenSockets()) {
    if (socket.port != 0 && inodes.contains(inode)) ports.push_back(socket.port);
  }
  return ports;
}

void Sandbox::NoteSockets() {
  const std::map<std::uint64_t, Socket> open = OpenSockets();
  for (const auto& [process, command] : Living()) {
    for (const std::uint64_t inode : InodesOf(process)) {
      const auto socket = open.find(inode);
      if (socket != open.end()) noted_[inode] = absl::StrCat(socket->second.name, " of ", command);
    }
  }
}

std::vector<std::string> Sandbox::Leftovers() const {
  // A process that is ending loses its environment before its sockets.
  std::vector<std::string> left;
  Eventually(
      [&] {
        left = FindLeftovers();
        return left.empty();
      },
      kEnding);
  return left;
}

std::vector<std::string> Sandbox::FindLeftovers() const {
  std::vector<std::string> left;
  for (const auto& [process, command] : Living()) {
    left.push_back(absl::StrCat("process ", process, ": ", command));
  }
  const std::map<std::uint64_t, Socket> open = OpenSockets();
  for (const auto& [inode, name] : noted_) {
    if (open.contains(inode)) left.push_back(name);
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder_ + "/tmp")) {
    // The folder of the heads of this user stays, and is empty.
    if (entry.is_directory() && absl::StartsWith(entry.path().filename().string(), "rondo-heads")) {
      continue;
    }
    left.push_back(absl::StrCat("file ", entry.path().string()));
  }
  return left;
}

}  // namespace tests
