// argv to a Command. Pure: the environment is passed in, nothing is printed or opened.
//
// Errors are runtime::UserErrors with exit 2: USAGE_UNKNOWN_VERB, USAGE_UNKNOWN_FLAG,
// USAGE_UNEXPECTED_ARGUMENT, USAGE_MISSING_ARGUMENT, USAGE_MISSING_VALUE, USAGE_REPEATED_FLAG,
// USAGE_INVALID_VALUE. They name the verb and the flag and suggest the nearest known one.
#ifndef RONDO_APPS_RONDO_COMMAND_LINE_H_
#define RONDO_APPS_RONDO_COMMAND_LINE_H_

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "apps/rondo/options.h"

namespace apps {

using Environment = std::map<std::string, std::string>;

// `arguments` without the program's name.
absl::StatusOr<Command> ParseCommandLine(const std::vector<std::string>& arguments,
                                         const Environment& environment);

// How to print an error of ParseCommandLine: --json is honoured even if the rest is wrong.
OutputOptions GuessOutput(const std::vector<std::string>& arguments);
// The verb that was meant, or "".
std::string GuessVerb(const std::vector<std::string>& arguments);

// "30s", "500ms", "10m", "2h" or a number of seconds, > 0 and at most a week.
absl::StatusOr<runtime::Duration> ParseDuration(const std::string& flag, const std::string& text);
absl::StatusOr<std::uint64_t> ParseCount(const std::string& flag, const std::string& text,
                                         std::uint64_t low, std::uint64_t high);
// "A-B".
absl::StatusOr<PortRange> ParsePortRange(const std::string& flag, const std::string& text);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_COMMAND_LINE_H_
