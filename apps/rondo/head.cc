// `rondo head`: a head in front, until it is stopped.
#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <filesystem>

#include "actors/client_messages.h"
#include "actors/journal.h"
#include "apps/rondo/client.h"
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
// The head itself gives a run's last checkpoint 10 s; a second signal ends this at once.
constexpr runtime::Duration kLongestEnd = std::chrono::seconds(12);

constexpr char kDefaultListen[] = "tcp://127.0.0.1:7070";

absl::StatusOr<std::string> StateDirectory(const HeadOptions& options) {
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
  if (options.resume && !actors::FileJournal::IsIn(folder)) {
    return runtime::MakeError("JOURNAL_NOT_FOUND", runtime::Exit::kUsage,
                              absl::StrCat("there is no journal in ", folder, " to go on with"),
                              "leave out --resume to start a new head");
  }
  if (!options.resume && actors::FileJournal::IsIn(folder)) {
    return runtime::MakeError(
        "STATE_DIR_HAS_JOURNAL", runtime::Exit::kUsage,
        absl::StrCat("an earlier head has left its journal in ", folder),
        "go on with it: add --resume; or start afresh in another --state-dir");
  }
  return folder;
}

// The journal of an earlier head or of none, with the epoch of this one in it.
absl::StatusOr<actors::FileJournal::Opened> OpenJournal(const std::string& folder, Output& output) {
  ASSIGN_OR_RETURN(actors::FileJournal::Opened opened, actors::FileJournal::Open(folder));
  if (!opened.note.empty()) output.Note("note: " + opened.note);
  const actors::EpochRecord epoch{.epoch = opened.state.epoch + 1};
  RETURN_IF_ERROR(opened.journal->Append(epoch));
  RETURN_IF_ERROR(opened.state.Apply(epoch));
  return opened;
}

bool IsBroken(const absl::Status& ended) {
  return !ended.ok() && runtime::ToUserError(ended).code == actors::kJournalBroken;
}

// Its address is what a later head takes if it is told none.
std::string WhereToListen(const HeadOptions& options, const actors::JournalState& known) {
  if (!options.listen.empty()) return options.listen;
  return known.listen.empty() ? kDefaultListen : known.listen;
}

// `rondo down`, a broken journal, or a signal: then whoever reads the journal is to find the run as
// far as it has come. Nothing, if that took too long.
std::optional<absl::Status> WaitForItsEnd(HeadProcess& head, Client& client,
                                          const StopSignals& signals) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  while (!head.Ended().has_value() && signals.WaitUntil(now() + kGlance) == 0) {
  }
  if (!head.Ended().has_value()) client.Tell(actors::DownRequest{.keep_run = true});
  return head.node().WaitEnded(now() + kLongestEnd);
}

}  // namespace

absl::StatusOr<int> Head(const HeadOptions& options, Output& output) {
  if (!options.listen.empty()) {
    RETURN_IF_ERROR(runtime::ParseListenAddress(options.listen).status());
  }
  ASSIGN_OR_RETURN(const std::string state, StateDirectory(options));
  ASSIGN_OR_RETURN(actors::FileJournal::Opened opened, OpenJournal(state, output));
  const std::string where = WhereToListen(options, opened.state);
  ASSIGN_OR_RETURN(const runtime::Address listen, runtime::ParseListenAddress(where));
  if (!listen.IsLoopback() && !options.insecure) {
    return runtime::MakeError(
        "INSECURE", runtime::Exit::kUsage,
        absl::StrCat(where, " can be reached from other machines, without encryption"),
        "add --insecure on both sides if everyone on that network may read and join");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  HeadProcessOptions head_options{
      .listen = listen,
      .advertise = options.advertise,
      .runs_folder = state + "/runs",
      .log = output.is_quiet() ? runtime::Logger()
                               : runtime::Logger::ToStderr(runtime::LogLevel::kWarning),
      .connects_back = !options.no_connect_back,
      .known = opened.state};
  head_options.journal = std::move(opened.journal);
  if (options.port_range.has_value()) {
    head_options.broadcast_ports = {.first = options.port_range->first,
                                    .last = options.port_range->last};
  }
  std::unique_ptr<Client> client;
  head_options.prepare = [&client](runtime::Node& node) -> absl::Status {
    ASSIGN_OR_RETURN(client, Client::On(node));
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(const std::unique_ptr<HeadProcess> head,
                   HeadProcess::Start(std::move(head_options)));
  const std::string address = head->join_address();
  const HeadRegistration registration(address);
  const char* insecure = options.insecure ? " --insecure" : "";
  if (options.insecure) output.Note("warning: nothing is encrypted, and anyone may join");
  output.Text(absl::StrCat(
      "head up at ", address, "  files in ", state, "\nadd a machine:  rondo join ", address,
      insecure, "\nrun training:   rondo run CONFIG --head ", address,
      "\nwatch:          rondo status --head ", address, "\nstop:           rondo down --head ",
      address, "\nafter a crash:  rondo head --state-dir ", state, " --resume", insecure));
  RETURN_IF_ERROR(output.Flush());
  const std::optional<absl::Status> ended = WaitForItsEnd(*head, *client, *signals);
  // No goodbye: the workers are to wait for whoever reads the journal anew.
  if (ended.has_value() && IsBroken(*ended)) {
    const int code = output.Fail("head", *ended);
    std::fflush(nullptr);
    _exit(code);
  }
  head->Stop();
  if (signals->received() != 0) return signals->ExitCode();
  RETURN_IF_ERROR(*ended);
  return 0;
}

}  // namespace apps
