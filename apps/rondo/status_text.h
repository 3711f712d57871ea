// The answer to `rondo status`, as people read it. Pure.
#ifndef RONDO_APPS_RONDO_STATUS_TEXT_H_
#define RONDO_APPS_RONDO_STATUS_TEXT_H_

#include <absl/status/statusor.h>

#include <string>

#include "apps/rondo/head_json.h"

namespace apps {

// `json` is a head's StatusReply: an object with at least lists of nodes and of runs. BAD_STATUS,
// exit 7: no such object.
absl::StatusOr<Json> ReadStatus(const std::string& json);
absl::StatusOr<std::string> RenderStatus(const std::string& json);
// What `rondo down` is about to end: "run 7f3a at step 1,240, 4 workers"; "" if nothing.
absl::StatusOr<std::string> RenderWhatIsOn(const std::string& json);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_STATUS_TEXT_H_
