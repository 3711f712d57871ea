// `rondo head`: a head in front, until it is stopped.
#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <filesystem>

#include "apps/rondo/head_process.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace apps {
namespace {

constexpr runtime::Duration kGlance = std::chrono::milliseconds(100);

absl::StatusOr<std::string> StateDirectory(const HeadOptions& options) {
  if (options.resume) {
    return runtime::MakeError("NOT_AVAILABLE", runtime::Exit::kUsage,
                              "a head cannot be resumed yet: this version keeps no journal",
                              "start a new head, and the run again");
  }
  const std::string folder =
      !options.state_dir.empty()
          ? options.state_dir
          : (std::filesystem::temp_directory_path() / absl::StrCat("rondo-head-", getpid()))
                .string();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || access(folder.c_str(), W_OK) != 0) {
    return runtime::MakeError("STATE_DIR_UNUSABLE", runtime::Exit::kUsage,
                              absl::StrCat("cannot write to the state directory ", folder),
                              "give another one with --state-dir");
  }
  return folder;
}

}  // namespace

absl::StatusOr<int> Head(const HeadOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const runtime::Address listen, runtime::ParseListenAddress(options.listen));
  if (!listen.IsLoopback() && !options.insecure) {
    return runtime::MakeError(
        "INSECURE", runtime::Exit::kUsage,
        absl::StrCat(options.listen, " can be reached from other machines, without encryption"),
        "add --insecure on both sides if everyone on that network may read and join");
  }
  ASSIGN_OR_RETURN(const std::string state, StateDirectory(options));
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  HeadProcessOptions head_options{
      .listen = listen,
      .advertise = options.advertise,
      .runs_folder = state + "/runs",
      .log = output.is_quiet() ? runtime::Logger()
                               : runtime::Logger::ToStderr(runtime::LogLevel::kWarning)};
  if (options.port_range.has_value()) {
    head_options.broadcast_ports = {.first = options.port_range->first,
                                    .last = options.port_range->last};
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<HeadProcess> head,
                   HeadProcess::Start(std::move(head_options)));
  const std::string address = head->join_address();
  const HeadRegistration registration(address);
  const char* insecure = options.insecure ? " --insecure" : "";
  if (options.insecure) output.Note("warning: nothing is encrypted, and anyone may join");
  output.Text(absl::StrCat("head up at ", address, "  files in ", state,
                           "\nadd a machine:  rondo join ", address, insecure,
                           "\nrun training:   rondo run CONFIG --head ", address,
                           "\nwatch:          rondo status --head ", address,
                           "\nstop:           rondo down --head ", address));
  RETURN_IF_ERROR(output.Flush());
  while (signals->WaitUntil(std::chrono::steady_clock::now() + kGlance) == 0) {
    if (const std::optional<absl::Status> ended = head->Ended()) {
      head->Stop();
      RETURN_IF_ERROR(*ended);
      return 0;
    }
  }
  head->Stop();
  return signals->ExitCode();
}

}  // namespace apps
