// rondo: the command line. Parses, does the verb, prints; everything else is in the layers below.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "apps/rondo/command_line.h"
#include "apps/rondo/output.h"
#include "apps/rondo/verbs.h"

namespace apps {
namespace {

// A closed stdin, stdout or stderr would be given to the next file or socket that is opened.
void OpenMissingStreams() {
  for (int stream = 0; stream <= 2; ++stream) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    const int file = open("/dev/null", O_RDWR);
    if (file >= 0 && file != stream) {
      dup2(file, stream);
      close(file);
    }
  }
}

Environment ReadEnvironment() {
  Environment environment;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line) {
    const std::string text = *line;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

struct Dispatch {
  Output& output;

  absl::StatusOr<int> operator()(const RunOptions& options) { return Run(options, output); }
  absl::StatusOr<int> operator()(const HeadOptions& options) { return Head(options, output); }
  absl::StatusOr<int> operator()(const JoinOptions& options) { return Join(options, output); }
  absl::StatusOr<int> operator()(const StatusOptions& options) { return Status(options, output); }
  absl::StatusOr<int> operator()(const CheckOptions& options) { return Check(options, output); }
  absl::StatusOr<int> operator()(const DownOptions& options) { return Down(options, output); }
  absl::StatusOr<int> operator()(const StopOptions& options) { return Stop(options, output); }
  absl::StatusOr<int> operator()(const RunsOptions& options) { return Runs(options, output); }
  absl::StatusOr<int> operator()(const ShowOptions& options) { return Show(options, output); }
  absl::StatusOr<int> operator()(const LeaveOptions& options) { return Leave(options, output); }
  absl::StatusOr<int> operator()(const EvaluateOptions& options) {
    return Evaluate(options, output);
  }
  absl::StatusOr<int> operator()(const BenchAllreduceOptions& options) {
    return BenchAllreduce(options, output);
  }
  absl::StatusOr<int> operator()(const VersionOptions& options) { return Version(options, output); }
  absl::StatusOr<int> operator()(const HelpOptions& options) { return Help(options, output); }
};

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<Command> command = ParseCommandLine(arguments, ReadEnvironment());
  if (!command.ok()) {
    Output output(GuessOutput(arguments), stdout, stderr);
    return output.Fail(GuessVerb(arguments), command.status());
  }
  Output output(command->output, stdout, stderr);
  const absl::StatusOr<int> code = std::visit(Dispatch{output}, command->options);
  if (!code.ok()) return output.Fail(command->verb, code.status());
  if (const absl::Status written = output.Flush(); !written.ok()) {
    return output.Fail(command->verb, written);
  }
  return *code;
}

}  // namespace

}  // namespace apps

int main(int argc, char** argv) {
  // A reader that goes away is seen where we write; it must not end the run.
  std::signal(SIGPIPE, SIG_IGN);
  apps::OpenMissingStreams();
  return apps::Main(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
