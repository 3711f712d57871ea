// Structured logging, one line an event:
//
//   2026-11-23T18:15:08.123Z info node_up node=4f6a10c2 role=worker address=10.0.0.5
//
// The event's name is stable and greppable; values with blanks or quotes are quoted. A Logger is a
// handle that is passed in where something is logged; there is none by default and no macro.
#ifndef RONDO_RUNTIME_BASE_LOG_H_
#define RONDO_RUNTIME_BASE_LOG_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <concepts>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"

namespace spdlog {
class logger;
}

namespace runtime {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One key=value pair of a line.
struct LogField {
  LogField(std::string_view key, std::string_view value) : key(key), value(value) {}
  LogField(std::string_view key, const char* value) : key(key), value(value) {}
  LogField(std::string_view key, const std::string& value) : key(key), value(value) {}
  LogField(std::string_view key, bool value) : key(key), value(value ? "true" : "false") {}
  LogField(std::string_view key, std::integral auto value)
      : key(key), value(std::to_string(value)) {}
  LogField(std::string_view key, std::floating_point auto value)
      : key(key), value(std::to_string(value)) {}
  LogField(std::string_view key, const NodeId& node) : key(key), value(node.ShortName()) {}
  // In milliseconds.
  LogField(std::string_view key, Duration duration);
  LogField(std::string_view key, const absl::Status& status);

  std::string_view key;
  std::string value;
};

// A copyable handle; any thread. The default one is silent.
class Logger {
 public:
  using Fields = std::initializer_list<LogField>;

  Logger() = default;
  static Logger ToStderr(LogLevel lowest);
  // Appends; each line is flushed, so that a crash loses none. kUnavailable: it cannot be opened.
  static absl::StatusOr<Logger> ToFile(const std::string& path, LogLevel lowest);

  void Debug(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kDebug, event, fields);
  }
  void Info(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kInfo, event, fields);
  }
  void Warning(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kWarning, event, fields);
  }
  void Error(std::string_view event, Fields fields = {}) const {
    Write(LogLevel::kError, event, fields);
  }

 private:
  explicit Logger(std::shared_ptr<spdlog::logger> sink) : sink_(std::move(sink)) {}
  void Write(LogLevel level, std::string_view event, Fields fields) const;

  std::shared_ptr<spdlog::logger> sink_;
};

// "event key=value key=\"two words\"", without time and level.
std::string FormatLogLine(std::string_view event, Logger::Fields fields);

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_LOG_H_
