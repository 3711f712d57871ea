// Distinct types for the things that are numbered, so that a round cannot be passed as a view.
#ifndef RONDO_RUNTIME_BASE_IDS_H_
#define RONDO_RUNTIME_BASE_IDS_H_

#include <compare>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

namespace runtime {

// One process, once: 128 random bits drawn at its start. A restarted process is another node.
struct NodeId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const NodeId&) const = default;
  bool IsNull() const { return high == 0 && low == 0; }
  // 32 hexadecimal digits; the first 8 are what people see.
  std::string ToString() const {
    char text[33];
    std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(high),
                  static_cast<unsigned long long>(low));
    return text;
  }
  std::string ShortName() const { return ToString().substr(0, 8); }

  template <typename H>
  friend H AbslHashValue(H state, const NodeId& id) {
    return H::combine(std::move(state), id.high, id.low);
  }
};

// Names one actor within its node; never reused while the node lives. 0 = none.
enum class ActorId : std::uint64_t { kNone = 0 };
// Numbered list of the members of a run.
enum class ViewId : std::uint32_t {};
// Number of committed synchronizations = version of the global model.
enum class RoundId : std::uint64_t {};

template <typename Id>
constexpr auto Number(Id id) {
  return static_cast<std::underlying_type_t<Id>>(id);
}
template <typename Id>
constexpr Id Next(Id id) {
  return static_cast<Id>(Number(id) + 1);
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_IDS_H_
