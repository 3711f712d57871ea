// `rondo leave`: takes workers out of a cluster in order, and waits until they are gone.
#include <absl/strings/str_cat.h>

#include <algorithm>

#include "apps/rondo/client.h"
#include "apps/rondo/format.h"
#include "apps/rondo/head_json.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/host_name.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/status_text.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using Leavers = std::vector<actors::LeavingNodes::Leaver>;

constexpr runtime::Duration kAnswerTimeout = std::chrono::seconds(5);
constexpr runtime::Duration kGlance = std::chrono::milliseconds(100);

std::string NamesOf(const Leavers& leavers) {
  std::string names;
  for (const auto& leaver : leavers) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", leaver.name);
  }
  return names;
}

// Those of `leavers` that are still there, as the head shows them.
Json StillThere(const Json& status, const Leavers& leavers) {
  Json there = Json::array();
  for (const Json& node : status["nodes"]) {
    const std::string id = TextOf(node, "id");
    const bool leaves = std::ranges::any_of(
        leavers, [&id](const auto& leaver) { return leaver.node.ToString() == id; });
    if (leaves) there.push_back(node);
  }
  return there;
}

absl::Status StillWaiting(const Json& status, const Json& there, runtime::Duration timeout) {
  std::string who, what;
  for (const Json& node : there) {
    absl::StrAppend(&who, who.empty() ? "" : ", ", TextOf(node, "name"), " (",
                    TextOf(node, "state"), ": ", TextOf(node, "reason"), ")");
  }
  for (const Json& run : status["runs"]) {
    if (IsOn(run)) {
      absl::StrAppend(&what, "; run ", TextOf(run, "run_id"), " is ", TextOf(run, "state"),
                      " and waits for ", TextOf(run, "waits_for"));
    }
  }
  return runtime::MakeError(
      "LEAVE_TIMEOUT", runtime::Exit::kTimedOut,
      absl::StrCat("still there after ", FormatSeconds(runtime::ToSeconds(timeout)), ": ", who,
                   what),
      "they leave as soon as that comes: rondo status -w");
}

// True: all are gone. False: a signal came first.
absl::StatusOr<bool> WaitUntilGone(Client& client, const Leavers& leavers,
                                   runtime::Duration timeout, const StopSignals& signals) {
  const runtime::Time deadline = std::chrono::steady_clock::now() + timeout;
  while (signals.received() == 0) {
    ASSIGN_OR_RETURN(const actors::StatusReply reply,
                     client.Ask(actors::StatusRequest{}, kAnswerTimeout));
    ASSIGN_OR_RETURN(const Json status, ReadStatus(reply.json));
    const Json there = StillThere(status, leavers);
    if (there.empty()) return true;
    const runtime::Time now = std::chrono::steady_clock::now();
    if (now >= deadline) return StillWaiting(status, there, timeout);
    (void)signals.WaitUntil(std::min(deadline, now + kGlance));
  }
  return false;
}

}  // namespace

absl::StatusOr<int> Leave(const LeaveOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::string head, ChooseHead(options.head));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo leave"}));
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  const std::string node = options.node.empty() ? HostName() : options.node;
  ASSIGN_OR_RETURN(const actors::LeavingNodes leaving,
                   client->Ask(actors::LeaveNode{.node = node}, kAnswerTimeout));
  const std::string names = NamesOf(leaving.nodes);
  output.Note(absl::StrCat("waiting until gone: ", names));
  ASSIGN_OR_RETURN(const bool gone,
                   WaitUntilGone(*client, leaving.nodes, options.timeout, *signals));
  Json nodes = Json::array();
  for (const auto& leaver : leaving.nodes) {
    nodes.push_back({{"id", leaver.node.ToString()}, {"name", leaver.name}});
  }
  output.Data("leave", Json{{"head", head}, {"nodes", nodes}, {"gone", gone}}.dump());
  output.Text(gone ? absl::StrCat("left: ", names) : absl::StrCat("leaving: ", names));
  return gone ? 0 : signals->ExitCode();
}

}  // namespace apps
