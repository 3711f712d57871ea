// `rondo stop`: ends a run in order, and waits until it has ended.
#include <absl/strings/str_cat.h>

#include "apps/rondo/client.h"
#include "apps/rondo/format.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/runs_text.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

constexpr runtime::Duration kAnswerTimeout = std::chrono::seconds(5);
constexpr runtime::Duration kGlance = std::chrono::milliseconds(100);

absl::StatusOr<Json> AskRun(Client& client, const std::string& run_id) {
  ASSIGN_OR_RETURN(const actors::RunsReply reply,
                   client.Ask(actors::RunsRequest{.run_id = run_id}, kAnswerTimeout));
  return ReadRun(reply.json);
}

// The run as it was seen last: ended, or still on if a signal came first.
absl::StatusOr<Json> WaitForEnd(Client& client, const std::string& run_id,
                                runtime::Duration timeout, const StopSignals& signals) {
  const runtime::Time deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    ASSIGN_OR_RETURN(Json run, AskRun(client, run_id));
    if (!IsOn(run) || signals.received() != 0) return run;
    const runtime::Time now = std::chrono::steady_clock::now();
    if (now >= deadline) {
      return runtime::MakeError("STOP_TIMEOUT", runtime::Exit::kTimedOut,
                                absl::StrCat("run ", run_id, " has not ended within ",
                                             FormatSeconds(runtime::ToSeconds(timeout)),
                                             "; it waits for ", TextOf(run, "waits_for")),
                                "it ends as soon as that comes: rondo status -w");
    }
    (void)signals.WaitUntil(std::min(deadline, now + kGlance));
  }
}

}  // namespace

absl::StatusOr<int> Stop(const StopOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::string head, ChooseHead(options.head));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo stop"}));
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  ASSIGN_OR_RETURN(const actors::StopAccepted stopping,
                   client->Ask(actors::StopRun{.run_id = options.run_id}, kAnswerTimeout));
  Json run{{"run_id", stopping.run_id}};
  if (options.wait) {
    output.Note(absl::StrCat("run ", stopping.run_id, " ends at its next boundary; waiting"));
    ASSIGN_OR_RETURN(run, WaitForEnd(*client, stopping.run_id, options.timeout, *signals));
    // That it was aborted before it began is what was asked for.
    if (TextOf(run, "state") == "failed") return output.Fail("stop", ErrorOf(run), run.dump());
  }
  output.Data("stop", run.dump());
  if (options.wait && !IsOn(run)) {
    output.Text(absl::StrCat("run ", stopping.run_id, " is ", TextOf(run, "state"), " after ",
                             FormatCount(CountOf(run, "step")), " steps; see it with: rondo show ",
                             stopping.run_id, " --head ", head));
    return 0;
  }
  output.Text(absl::StrCat("run ", stopping.run_id, " ends at its next boundary"));
  return signals->received() != 0 ? signals->ExitCode() : 0;
}

}  // namespace apps
