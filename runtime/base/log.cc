#include "runtime/base/log.h"

#include <absl/strings/str_cat.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

namespace runtime {
namespace {

// UTC, and names of levels in full.
constexpr char kPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger> MakeSink(spdlog::sink_ptr sink, LogLevel lowest) {
  auto logger = std::make_shared<spdlog::logger>("rondo", std::move(sink));
  logger->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(kPattern, spdlog::pattern_time_type::utc));
  logger->set_level(LevelOf(lowest));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// A line stays one line, and a key=value pair stays one pair, whatever the value holds.
std::string Quoted(std::string_view value) {
  if (!value.empty() && value.find_first_of(" \"=\\\n\r\t") == std::string_view::npos) {
    return std::string(value);
  }
  std::string quoted = "\"";
  for (const char c : value) {
    switch (c) {
      case '"': quoted += "\\\""; break;
      case '\\': quoted += "\\\\"; break;
      case '\n': quoted += "\\n"; break;
      case '\r': quoted += "\\r"; break;
      case '\t': quoted += "\\t"; break;
      default: quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

LogField::LogField(std::string_view key, Duration duration)
    : key(key), value(absl::StrCat(ToSeconds(duration) * 1e3, "ms")) {}

LogField::LogField(std::string_view key, const absl::Status& status)
    : key(key), value(status.ok() ? "ok" : std::string(status.message())) {}

std::string FormatLogLine(std::string_view event, Logger::Fields fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    line += Quoted(field.value);
  }
  return line;
}

Logger Logger::ToStderr(LogLevel lowest) {
  return Logger(MakeSink(std::make_shared<spdlog::sinks::stderr_sink_mt>(), lowest));
}

absl::StatusOr<Logger> Logger::ToFile(const std::string& path, LogLevel lowest) {
  try {
    return Logger(MakeSink(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), lowest));
  } catch (const spdlog::spdlog_ex& error) {
    return absl::UnavailableError(error.what());
  }
}

void Logger::Write(LogLevel level, std::string_view event, Fields fields) const {
  if (!sink_ || !sink_->should_log(LevelOf(level))) return;
  sink_->log(LevelOf(level), FormatLogLine(event, fields));
}

}  // namespace runtime
