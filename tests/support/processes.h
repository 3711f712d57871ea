// Real programs for end-to-end tests: started in a folder of their own, waited for with deadlines,
// and searched for after their end.
#ifndef RONDO_TESTS_SUPPORT_PROCESSES_H_
#define RONDO_TESTS_SUPPORT_PROCESSES_H_

#include <absl/functional/function_ref.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/base/clock.h"
#include "tests/support/slowness.h"

namespace tests {

// For what has no bound of its own: a loaded machine with sanitizers is slow.
inline constexpr runtime::Duration kPatience = std::chrono::seconds(60);

// True as soon as `holds` is; false at the end of `timeout`. Asks every few milliseconds.
bool Eventually(absl::FunctionRef<bool()> holds, runtime::Duration timeout = kPatience);

// One program; its two output streams go to files. The test's thread.
class Process {
 public:
  // `environment` is all that it gets. Its stdin is /dev/null.
  Process(std::vector<std::string> command, const std::string& folder,
          const std::vector<std::string>& environment, const std::string& output_prefix);
  ~Process();  // Kills it, if it still runs.
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // To this process alone, not to its children.
  void Signal(int number) const;
  // Its exit code as a shell tells it: 128+n if signal n ended it. None: it still runs at the end
  // of `timeout`.
  std::optional<int> WaitExit(runtime::Duration timeout = kPatience);
  // Both say what was written so far.
  std::string out() const;
  std::string err() const;
  // Until `text` stands in one of them. False: it ended without, or `timeout` passed.
  bool WaitOutput(const std::string& text, runtime::Duration timeout = kPatience);
  // Its whole stdout; discarded if that is not one JSON text.
  nlohmann::json Json() const { return nlohmann::json::parse(out(), nullptr, false); }
  // Command line, exit and output, for the message of an assertion.
  std::string Describe() const;

 private:
  const std::vector<std::string> command_;
  const std::string output_prefix_;
  pid_t pid_ = -1;
  std::optional<int> exit_;
};

// A folder under the test's temporary one, where programs run with TMPDIR inside it and with an
// environment that marks them and all their descendants. The test's thread.
class Sandbox {
 public:
  Sandbox();
  // Kills what still runs and removes the folder. What a sanitizer found in any of the processes
  // fails the test.
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  const std::string& folder() const { return folder_; }
  std::string Write(const std::string& name, const std::string& text) const;
  // The first word is a program beside the built `rondo`, or a path.
  std::unique_ptr<Process> Start(std::vector<std::string> command);
  // Starts it and waits for its end.
  std::unique_ptr<Process> Run(std::vector<std::string> command);

  // Processes of this sandbox that live, by id, with their command lines.
  std::map<pid_t, std::string> Living() const;
  // Those of them whose command line contains `text`.
  std::vector<pid_t> LivingWith(const std::string& text) const;
  // TCP ports that `process` listens on.
  static std::vector<std::uint16_t> PortsOf(pid_t process);
  // Remembers which listening ports and local sockets are open now, for Leftovers.
  void NoteSockets();
  std::size_t noted_sockets() const { return noted_.size(); }
  // A line for each process, noted socket and file in TMPDIR that is there; waits a little for
  // what is just ending.
  std::vector<std::string> Leftovers() const;

 private:
  std::vector<std::string> FindLeftovers() const;
  void ExpectNoFindings() const;

  const std::string mark_;  // NAME=VALUE in the environment of all.
  const std::string folder_;
  std::vector<std::string> environment_;
  int started_ = 0;
  std::map<std::uint64_t, std::string> noted_;  // By inode.
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_PROCESSES_H_
