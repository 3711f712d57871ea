// `rondo version`.
#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>

#include "apps/rondo/verbs.h"
#include "runtime/net/frame.h"

namespace apps {
namespace {

#if defined(__clang__)
constexpr char kCompiler[] = "clang " __clang_version__;
#else
constexpr char kCompiler[] = "g++ " __VERSION__;
#endif

}  // namespace

absl::StatusOr<int> Version(const VersionOptions& options, Output& output) {
  nlohmann::ordered_json json;
  json["version"] = RONDO_VERSION;
  json["protocol"] = runtime::kProtocolVersion;
  json["compiler"] = kCompiler;
  output.Data("version", json.dump());
  output.Text(absl::StrCat("rondo ", RONDO_VERSION, "  protocol ", runtime::kProtocolVersion, "  ",
                           kCompiler));
  return 0;
}

}  // namespace apps
