// `rondo status`: once, or every second until a signal.
#include "runtime/base/status.h"

#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>

#include "apps/rondo/client.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/status_text.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"

namespace apps {
namespace {

constexpr runtime::Duration kAnswerTimeout = std::chrono::seconds(5);
constexpr runtime::Duration kInterval = std::chrono::seconds(1);
constexpr runtime::Duration kGlance = std::chrono::milliseconds(100);

absl::StatusOr<std::string> AskStatus(Client& client) {
  ASSIGN_OR_RETURN(const actors::StatusReply reply,
                   client.Ask(actors::StatusRequest{}, kAnswerTimeout));
  return reply.json;
}

// One line of --jsonl. What is no JSON object was refused before.
std::string EventLine(const std::string& status, bool terminal) {
  nlohmann::ordered_json line{{"event", "status"}};
  line.update(nlohmann::ordered_json::parse(status, nullptr, /*allow_exceptions=*/false));
  if (terminal) line["terminal"] = true;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status Print(const std::string& status, bool terminal, bool again, Output& output) {
  ASSIGN_OR_RETURN(const std::string text, RenderStatus(status));
  output.Data("status", status);
  output.Event(EventLine(status, terminal));
  if (again) {
    output.Screen(text);
  } else {
    output.Text(text);
  }
  return output.Flush();
}

// Until a signal, whose exit code it returns, or until the head is gone.
absl::StatusOr<int> Watch(Client& client, Output& output) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  while (true) {
    ASSIGN_OR_RETURN(const std::string status, AskStatus(client));
    const bool last = signals->received() != 0;
    RETURN_IF_ERROR(Print(status, last, /*again=*/true, output));
    if (last) return signals->ExitCode();
    const runtime::Time next = std::chrono::steady_clock::now() + kInterval;
    while (signals->received() == 0 && std::chrono::steady_clock::now() < next) {
      if (const std::optional<absl::Status> ended = client.Ended()) {
        return runtime::MakeError(
            "HEAD_LOST", runtime::Exit::kHeadUnreachable,
            absl::StrCat("the head went away: ",
                         ended->ok() ? "it ended" : runtime::ToUserError(*ended).message));
      }
      signals->WaitUntil(std::min(next, std::chrono::steady_clock::now() + kGlance));
    }
  }
}

}  // namespace

absl::StatusOr<int> Status(const StatusOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::string head, ChooseHead(options.head));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo status"}));
  if (options.watch) return Watch(*client, output);
  ASSIGN_OR_RETURN(const std::string status, AskStatus(*client));
  RETURN_IF_ERROR(Print(status, /*terminal=*/true, /*again=*/false, output));
  return 0;
}

}  // namespace apps
