// Runs a command line by the shell, for tests of the real programs.
#ifndef RONDO_TESTS_SUPPORT_SHELL_H_
#define RONDO_TESTS_SUPPORT_SHELL_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace tests {

struct ShellResult {
  int exit_code = -1;  // -1: ended by a signal.
  std::string out;
  std::string err;
};

inline std::string ReadWholeFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// `command` in folder `directory`, with an empty stdin. What it redirects itself is not in `out`
// and `err`. `environment` is a command that sets up its environment: PATH, and what a sanitizer is
// told, unless told otherwise.
inline constexpr char kCleanEnvironment[] =
    "env -i PATH=\"$PATH\" ${TSAN_OPTIONS:+TSAN_OPTIONS=\"$TSAN_OPTIONS\"}";
inline constexpr char kOurEnvironment[] = "env";
inline ShellResult RunInShell(const std::string& directory, const std::string& command,
                              const char* environment = kCleanEnvironment) {
  const std::string base = testing::TempDir() + "rondo_shell_" + std::to_string(getpid());
  const std::string script = base + ".sh";
  std::ofstream(script) << "cd '" << directory << "' || exit 99\n" << command << "\n";
  const std::string line = std::string(environment) + " bash '" + script + "' >'" + base +
                           ".out' 2>'" + base + ".err' </dev/null";
  const int status = std::system(line.c_str());
  ShellResult result;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  result.out = ReadWholeFile(base + ".out");
  result.err = ReadWholeFile(base + ".err");
  for (const char* suffix : {".sh", ".out", ".err"}) unlink((base + suffix).c_str());
  return result;
}

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_SHELL_H_
