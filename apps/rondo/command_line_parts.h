// What the files that parse verbs share. Private to them.
#ifndef RONDO_APPS_RONDO_COMMAND_LINE_PARTS_H_
#define RONDO_APPS_RONDO_COMMAND_LINE_PARTS_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "apps/rondo/command_line.h"

namespace apps {

using Arguments = std::vector<std::string>;

inline constexpr char kHeadHelp[] =
    "the head to talk to; else RONDO_HEAD, else the newest head here";

inline std::optional<std::string> Lookup(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  if (found == environment.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

// --head before RONDO_HEAD.
inline HeadChoice ChooseHead(const std::string& flag, const Environment& environment) {
  return flag.empty() ? Lookup(environment, "RONDO_HEAD") : flag;
}

// command_line_runs.cc.
absl::StatusOr<Command> ParseStop(const Arguments& arguments, const Environment& environment);
absl::StatusOr<Command> ParseRuns(const Arguments& arguments, const Environment& environment);
absl::StatusOr<Command> ParseShow(const Arguments& arguments, const Environment& environment);
absl::StatusOr<Command> ParseLeave(const Arguments& arguments, const Environment& environment);

// command_line_evaluation.cc.
absl::StatusOr<Command> ParseEvaluate(const Arguments& arguments, const Environment& environment);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_COMMAND_LINE_PARTS_H_
