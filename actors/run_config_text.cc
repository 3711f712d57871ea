#include "actors/run_config_text.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "actors/run_config_toml.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

std::string KindOf(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::date: return "a date";
    case toml::node_type::time: return "a time";
    case toml::node_type::date_time: return "a date and time";
    default: return "a scalar";
  }
}

// `section` is "" for what stands before the first [section].
GivenValue Given(const std::string& section, const toml::key& key, const toml::node& node,
                 const std::string& name) {
  GivenValue given;
  given.key = absl::StrCat(section, section.empty() ? "" : ".", std::string(key.str()));
  given.key_place = PlaceOf(name, key.source().begin);
  given.value = ScalarOf(node);
  given.kind = KindOf(node);
  given.origin = absl::StrCat(name, ":", node.source().begin.line);
  given.place = PlaceOf(name, node.source().begin);
  return given;
}

// The only value of the text `v = LITERAL`, if it is that and a scalar.
std::optional<ConfigValue> ParseScalar(const std::string& literal) {
  const toml::parse_result result = toml::parse("v = " + literal);
  if (!result || result.table().size() != 1) return std::nullopt;
  const toml::node* node = result.table().get("v");
  return node == nullptr ? std::nullopt : ScalarOf(*node);
}

absl::Status Unreadable(const std::string& path, const std::string& why) {
  return MakeError("CONFIG_UNREADABLE", Exit::kUsage,
                   absl::StrCat("cannot read the config ", path, ": ", why),
                   "give the path of a TOML file such as apps/examples/digits.toml");
}

absl::StatusOr<std::string> ReadAll(int file, const std::string& path) {
  struct stat attributes {};
  if (fstat(file, &attributes) != 0) return Unreadable(path, std::strerror(errno));
  if (S_ISDIR(attributes.st_mode)) return Unreadable(path, "it is a directory");
  if (!S_ISREG(attributes.st_mode)) return Unreadable(path, "it is not a regular file");
  // One byte more than allowed tells a file that is too large, even one that grows meanwhile.
  std::string text(kMaxConfigBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(file, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unreadable(path, std::strerror(errno));
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kMaxConfigBytes) return Unreadable(path, "it is larger than 1 MiB");
  if (size == 0) return Unreadable(path, "it is empty");
  text.resize(size);
  return text;
}

}  // namespace

absl::StatusOr<std::vector<GivenValue>> ReadConfigText(const std::string& text,
                                                       const std::string& name) {
  if (text.size() > kMaxConfigBytes) return Unreadable(name, "it is larger than 1 MiB");
  const toml::parse_result result = toml::parse(text, name);
  if (!result) return SyntaxError(result.error(), name);
  std::vector<GivenValue> values;
  for (const auto& [section, node] : result.table()) {
    if (section == kSweepSection) continue;
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
      values.push_back(Given("", section, node, name));
      continue;
    }
    for (const auto& [key, value] : *table) {
      values.push_back(Given(std::string(section.str()), key, value, name));
    }
  }
  return values;
}

absl::StatusOr<GivenValue> ReadOverride(const std::string& key, const std::string& text,
                                        const std::string& origin) {
  GivenValue given;
  given.key = key;
  given.origin = origin;
  const ConfigKey* const known = FindConfigKey(key);
  const bool is_quoted = !text.empty() && (text[0] == '"' || text[0] == '\'');
  const bool is_plain_text = known != nullptr && known->is_text && !is_quoted;
  if (!is_plain_text) given.value = ParseScalar(text);
  // The detour by a literal refuses what could not be sent to the workers.
  if (!given.value.has_value()) given.value = ParseScalar(ToTomlLiteral(text));
  if (!given.value.has_value()) {
    return MakeError("CONFIG_SYNTAX", Exit::kUsage,
                     absl::StrCat("the value of ", key, " is not valid UTF-8 (from ", origin, ")"));
  }
  return given;
}

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return Unreadable(path, std::strerror(errno));
  absl::StatusOr<std::string> text = ReadAll(file, path);
  close(file);
  return text;
}

}  // namespace actors
