// What a head tells of its runs, as people read it and as verbs use it. Pure.
#ifndef RONDO_APPS_RONDO_RUNS_TEXT_H_
#define RONDO_APPS_RONDO_RUNS_TEXT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "apps/rondo/head_json.h"

namespace apps {

// The runs in a head's RunsReply, oldest first. BAD_STATUS, exit 7: no such object.
absl::StatusOr<Json> ReadRuns(const std::string& json);
// The only run of a reply to a request for one.
absl::StatusOr<Json> ReadRun(const std::string& json);
// Why a run has failed or was aborted; OK if it is on or done.
absl::Status ErrorOf(const Json& run);

// A table of them; `head` is where to submit one, if there is none.
std::string RenderRuns(const Json& runs, const std::string& head);
// How far one run is, or what it has come to.
std::string RenderRun(const Json& run);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_RUNS_TEXT_H_
