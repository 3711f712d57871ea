// `rondo help`, `rondo VERB --help` and `rondo` alone.
#include <nlohmann/json.hpp>

#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"

namespace apps {

absl::StatusOr<int> Help(const HelpOptions& options, Output& output) {
  if (options.is_error) {
    output.Raw(options.text);
    return static_cast<int>(runtime::Exit::kUsage);
  }
  nlohmann::ordered_json json;
  json["text"] = options.text;
  output.Data("help", json.dump());
  output.Text(options.text);
  return 0;
}

}  // namespace apps
