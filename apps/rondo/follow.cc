#include "apps/rondo/follow.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "actors/run_event.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

// How soon a signal or a lost worker is noticed between two events.
constexpr runtime::Duration kGlance = std::chrono::milliseconds(50);
constexpr int kGlancesAfterEnd = 10;
constexpr runtime::Duration kStopTimeout = std::chrono::seconds(5);

}  // namespace

absl::StatusOr<std::optional<actors::RunResult>> Follow(const FollowParts& parts) {
  bool stopping = false;
  int glances_after_end = 0;
  while (true) {
    const std::optional<actors::RunEventLine> line =
        parts.client.NextEvent(std::chrono::steady_clock::now() + kGlance);
    if (line.has_value()) {
      ASSIGN_OR_RETURN(const actors::RunEvent event, actors::RunEventFromJson(line->json));
      const auto* end = std::get_if<actors::EndEvent>(&event.what);
      if (end != nullptr && end->error.has_value()) return runtime::ToStatus(*end->error);
      parts.progress.Show(event);
      if (end != nullptr) return end->result;
    }
    if (parts.workers != nullptr) (void)parts.workers->Tend(parts.client);
    if (parts.signals.received() != 0 && !stopping) {
      if (parts.workers == nullptr) return std::nullopt;
      stopping = true;
      parts.progress.Note("stopping at the next boundary; once more to end at once");
      RETURN_IF_ERROR(parts.client.Ask(actors::StopRun{}, kStopTimeout).status());
    }
    // What the head said last is on its way through the actors.
    if (line.has_value() || !parts.client.Ended().has_value()) continue;
    if (++glances_after_end < kGlancesAfterEnd) continue;
    const absl::Status ended = *parts.client.Ended();
    if (parts.workers != nullptr && !ended.ok()) return ended;
    return runtime::MakeError(
        "HEAD_LOST", runtime::Exit::kHeadUnreachable,
        absl::StrCat("the head went away while the run was followed: ",
                     ended.ok() ? "it ended" : runtime::ToUserError(ended).message));
  }
}

}  // namespace apps
