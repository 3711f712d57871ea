// `rondo down`: ends a head and what it runs, and waits until it is gone.
#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>

#include "apps/rondo/client.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/status_text.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/connect_diagnosis.h"

namespace apps {
namespace {

constexpr runtime::Duration kAnswerTimeout = std::chrono::seconds(5);
// A head that ends lets its nodes know first (head_process.cc).
constexpr runtime::Duration kGoneTimeout = std::chrono::seconds(10);
constexpr runtime::Duration kGlance = std::chrono::milliseconds(50);

// Returns when nobody listens at `head` any more, or at the first signal.
absl::Status WaitUntilGone(const runtime::Address& head, const StopSignals& signals) {
  const runtime::Time deadline = std::chrono::steady_clock::now() + kGoneTimeout;
  while (runtime::ProbeConnection(head, kGlance).ok()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return runtime::MakeError(
          "HEAD_STAYS", runtime::Exit::kTimedOut,
          absl::StrCat("the head said that it ends, but still answers at ", head.ToString(),
                       " after ", runtime::ToSeconds(kGoneTimeout), " s"),
          "look at its own output; a second Ctrl-C there ends it at once");
    }
    if (signals.WaitUntil(std::chrono::steady_clock::now() + kGlance) != 0) {
      return runtime::MakeError("STOPPED", runtime::Exit::kTimedOut,
                                "the head ends, but was not waited for");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Down(const DownOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::string head, ChooseHead(options.head));
  ASSIGN_OR_RETURN(const runtime::Address address, runtime::ParseConnectAddress(head));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo down"}));
  ASSIGN_OR_RETURN(const actors::StatusReply status,
                   client->Ask(actors::StatusRequest{}, kAnswerTimeout));
  ASSIGN_OR_RETURN(const std::string was_on, RenderWhatIsOn(status.json));
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  RETURN_IF_ERROR(client->Ask(actors::DownRequest{}, kAnswerTimeout).status());
  RETURN_IF_ERROR(WaitUntilGone(address, *signals));
  const nlohmann::ordered_json stopped =
      nlohmann::ordered_json::parse(status.json, nullptr, /*allow_exceptions=*/false);
  nlohmann::ordered_json data{{"head", head}};
  data["nodes"] = stopped["nodes"];
  data["runs"] = stopped["runs"];
  output.Data("down", data.dump());
  output.Text(absl::StrCat("head ", head, " is down",
                           was_on.empty() ? "; nothing else was on" : "; with it: " + was_on));
  return 0;
}

}  // namespace apps
