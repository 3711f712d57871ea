// What head and members said to one another lately and how far each member's edge of the ring got:
// the evidence of an aborted attempt, for whoever looks for its cause. It stands in the abort's
// event in metrics.jsonl. Actor thread.
#ifndef RONDO_ACTORS_FLIGHT_RECORDER_H_
#define RONDO_ACTORS_FLIGHT_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "runtime/base/clock.h"

namespace actors {

// A member of the view at the verdict, or shortly before: one that was lost is among them.
struct FlightMember {
  std::uint32_t slot = 0;
  std::string said;           // Last, in this attempt: "READY", "DONE"; "": nothing.
  double silent_seconds = 0;  // Since it was last heard; its status comes every 0.2 s.
  std::uint64_t step = 0;
  std::uint32_t to = 0;          // Slot of its successor in the ring, if one was begun.
  std::uint64_t sent_bytes = 0;  // To it in this attempt, as its last word or status tells.
};

struct FlightWord {
  double seconds_before = 0;  // The verdict.
  std::string from;           // "head", "slot 3".
  std::string what;           // "START", "FAIL: RING_FAILED: ...".
  std::string fence;
};

struct FlightRecord {
  std::vector<FlightMember> members;  // By slot.
  std::vector<FlightWord> words;      // The last ones, oldest first. Reports and decisions are not
                                      // among them.
};

class FlightRecorder {
 public:
  void OnSent(runtime::Time now, const Order& order);
  void OnHeard(runtime::Time now, std::uint32_t slot, const Answer& answer);
  void OnHeard(runtime::Time now, std::uint32_t slot, const StateReport& report);
  void OnHeard(runtime::Time now, std::uint32_t slot, const MemberStatus& status);
  FlightRecord At(runtime::Time now) const;

 private:
  static constexpr std::size_t kWords = 96;
  static constexpr std::size_t kMostText = 240;  // Bytes of one word.

  struct Word {
    runtime::Time time{};
    std::optional<std::uint32_t> slot;  // None: the head.
    std::string what;
    runtime::Fence fence;
  };
  struct MemberState {
    runtime::NodeId node;
    runtime::Time heard{};
    const char* said = "";
    std::uint64_t step = 0;
    std::uint32_t to = 0;
    std::uint64_t sent_before = 0;  // On the ring, when this attempt began.
    std::uint64_t sent = 0;
  };

  void Note(Word word);
  // Who is no member any more is forgotten here, not before: the abort that its loss brings about
  // is to tell of it.
  void Begin(runtime::Time now, const std::vector<Member>& members);

  std::deque<Word> words_;                        // At most kWords.
  std::map<std::uint32_t, MemberState> members_;  // By slot.
};

}  // namespace actors

#endif  // RONDO_ACTORS_FLIGHT_RECORDER_H_
