// Members of the JSON that a head answers with, which may be another version's: what is missing or
// of another kind reads as nothing.
#ifndef RONDO_APPS_RONDO_HEAD_JSON_H_
#define RONDO_APPS_RONDO_HEAD_JSON_H_

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace apps {

using Json = nlohmann::json;

inline std::string TextOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

inline std::uint64_t CountOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

// -1 if there is none, which is shown as "?".
inline double SecondsOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : -1;
}

// Whether a run has not ended yet.
inline bool IsOn(const Json& run) {
  const std::string state = TextOf(run, "state");
  return state == "running" || state == "queued" || state == "paused";
}

}  // namespace apps

#endif  // RONDO_APPS_RONDO_HEAD_JSON_H_
