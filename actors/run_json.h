// Structs as JSON objects. A struct names its members once, in Visit(visitor, struct), and a
// JsonWriter or a JsonReader goes over them. Private to run_result.cc, run_event.cc and the files
// of the head's state directory.
#ifndef RONDO_ACTORS_RUN_JSON_H_
#define RONDO_ACTORS_RUN_JSON_H_

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/base/hash.h"
#include "runtime/net/traffic.h"

namespace actors {

using Json = nlohmann::ordered_json;

class JsonWriter {
 public:
  template <typename T>
  void operator()(const char* name, const T& value) {
    object_[name] = ToValue(value);
  }
  // A member that follows from others and is not read back.
  template <typename T>
  void Derived(const char* name, const T& value) {
    object_[name] = ToValue(value);
  }
  Json Take() { return std::move(object_); }

 private:
  static Json ToValue(bool value) { return value; }
  static Json ToValue(const std::string& value) { return value; }
  template <std::unsigned_integral T>
  static Json ToValue(const T& value) {
    return value;
  }
  template <typename T>
  requires std::is_enum_v<T>
  static Json ToValue(const T& value) { return static_cast<std::underlying_type_t<T>>(value); }
  template <typename T>
  static Json ToValue(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) list.push_back(ToValue(value));
    return list;
  }
  static Json ToValue(double value) { return std::isfinite(value) ? Json(value) : Json(); }
  template <typename T>
  static Json ToValue(const std::optional<T>& value) {
    return value.has_value() ? ToValue(*value) : Json();
  }
  template <typename T>
  requires std::is_class_v<T>
  static Json ToValue(const T& value) {
    JsonWriter writer;
    T members = value;
    Visit(writer, members);
    return writer.Take();
  }

  Json object_ = Json::object();
};

// Members that are missing keep their value; one of a wrong type makes status() an error.
class JsonReader {
 public:
  explicit JsonReader(const Json& object) : object_(object) {}

  template <typename T>
  void operator()(const char* name, T& value) {
    const auto member = object_.find(name);
    if (member == object_.end() || Read(*member, value) || !status_.ok()) return;
    status_ = absl::InvalidArgumentError(absl::StrCat("JSON member ", name, " is of a wrong type"));
  }
  template <typename T>
  void Derived(const char*, const T&) {}
  const absl::Status& status() const { return status_; }

 private:
  static bool Read(const Json& json, bool& value) {
    if (!json.is_boolean()) return false;
    value = json.get<bool>();
    return true;
  }
  static bool Read(const Json& json, std::string& value) {
    if (!json.is_string()) return false;
    value = json.get<std::string>();
    return true;
  }
  template <std::unsigned_integral T>
  static bool Read(const Json& json, T& value) {
    if (!json.is_number_unsigned()) return false;
    const std::uint64_t number = json.get<std::uint64_t>();
    if (number > std::numeric_limits<T>::max()) return false;
    value = static_cast<T>(number);
    return true;
  }
  template <typename T>
  requires std::is_enum_v<T>
  static bool Read(const Json& json, T& value) {
    std::underlying_type_t<T> number{};
    if (!Read(json, number)) return false;
    value = T{number};
    return true;
  }
  template <typename T>
  static bool Read(const Json& json, std::vector<T>& values) {
    if (!json.is_array()) return false;
    values.clear();
    for (const Json& value : json) {
      if (!Read(value, values.emplace_back())) return false;
    }
    return true;
  }
  static bool Read(const Json& json, double& value) {
    if (json.is_null()) value = std::numeric_limits<double>::quiet_NaN();
    if (json.is_number()) value = json.get<double>();
    return json.is_null() || json.is_number();
  }
  template <typename T>
  static bool Read(const Json& json, std::optional<T>& value) {
    value.reset();
    return json.is_null() || Read(json, value.emplace());
  }
  template <typename T>
  requires std::is_class_v<T>
  static bool Read(const Json& json, T& value) {
    if (!json.is_object()) return false;
    JsonReader reader(json);
    Visit(reader, value);
    return reader.status().ok();
  }

  const Json& object_;
  absl::Status status_;
};

template <typename Visitor>
void Visit(Visitor& visit, runtime::Hash128& hash) {
  visit("high", hash.high);
  visit("low", hash.low);
}

template <typename Visitor>
void Visit(Visitor& visit, runtime::Ledger& ledger) {
  const auto kind = [&](const char* name, runtime::Traffic traffic) {
    visit(name, ledger.bytes[static_cast<std::size_t>(traffic)]);
  };
  kind("state", runtime::Traffic::kState);
  kind("decision", runtime::Traffic::kDecision);
  kind("ring", runtime::Traffic::kRing);
  kind("evaluation", runtime::Traffic::kEvaluation);
  kind("join", runtime::Traffic::kJoin);
  kind("checkpoint", runtime::Traffic::kCheckpoint);
  kind("control", runtime::Traffic::kControl);
  visit.Derived("total", ledger.Total());
}

template <typename Visitor>
void Visit(Visitor& visit, runtime::Drops& drops) {
  visit("handshake", drops.handshake);
  visit("frame", drops.frame);
  visit("checksum", drops.checksum);
  visit("fence", drops.fence);
  visit("decode", drops.decode);
  visit("actor", drops.actor);
  visit("full", drops.full);
}

// As one line, without its end. Text that is no UTF-8 is mended, never refused.
inline std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The object in `text`; null if it holds none.
inline Json ParseObject(const std::string& text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? std::move(json) : Json();
}

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_JSON_H_
