#include "actors/flight_recorder.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <utility>

namespace actors {
namespace {

// By Order::Body and Answer::Body.
constexpr std::array kOrderNames = {"VIEW",  "PREPARE",  "START", "COMMIT",
                                    "ABORT", "EVALUATE", "FINISH"};
constexpr std::array kAnswerNames = {"READY", "DONE", "FAIL", "EVALUATED", "FINISHED"};
static_assert(kOrderNames.size() == std::variant_size_v<Order::Body>);
static_assert(kAnswerNames.size() == std::variant_size_v<Answer::Body>);

std::uint64_t RingBytes(const runtime::Ledger& sent) {
  return sent.Of(runtime::Traffic::kRing) + sent.Of(runtime::Traffic::kEvaluation);
}

}  // namespace

void FlightRecorder::Note(Word word) {
  word.what.resize(std::min(word.what.size(), kMostText));
  words_.push_back(std::move(word));
  if (words_.size() > kWords) words_.pop_front();
}

void FlightRecorder::Begin(runtime::Time now, const std::vector<Member>& members) {
  std::map<std::uint32_t, MemberState> present;
  for (const Member& member : members) {
    const auto known = members_.find(member.slot);
    const bool same = known != members_.end() && known->second.node == member.node;
    present[member.slot] = same ? known->second : MemberState{.node = member.node, .heard = now};
  }
  members_ = std::move(present);
}

void FlightRecorder::OnSent(runtime::Time now, const Order& order) {
  std::string what = kOrderNames[order.body.index()];
  if (const auto* view = std::get_if<OpenView>(&order.body)) Begin(now, view->members);
  if (const auto* abort = std::get_if<AbortAttempt>(&order.body)) {
    absl::StrAppend(&what, ": ", abort->reason);
  }
  const auto* const start = std::get_if<Start>(&order.body);
  if (start != nullptr) {
    Begin(now, start->members);
    for (std::size_t i = 0; i < start->members.size(); ++i) {
      MemberState& member = members_[start->members[i].slot];
      member.to = start->members[(i + 1) % start->members.size()].slot;
      member.sent_before = member.sent;
    }
  }
  if (start != nullptr || std::holds_alternative<Prepare>(order.body)) {
    for (auto& [slot, member] : members_) member.said = "";
  }
  Note({.time = now, .what = std::move(what), .fence = order.fence});
}

void FlightRecorder::OnHeard(runtime::Time now, std::uint32_t slot, const Answer& answer) {
  std::string what = kAnswerNames[answer.body.index()];
  MemberState& member = members_[slot];
  member.heard = now;
  member.said = kAnswerNames[answer.body.index()];
  if (const auto* fail = std::get_if<Fail>(&answer.body)) {
    absl::StrAppend(&what, ": ", fail->code, ": ", fail->message);
  } else if (const auto* done = std::get_if<Done>(&answer.body)) {
    member.sent = std::max(member.sent, RingBytes(done->sent));
  } else if (const auto* ready = std::get_if<Ready>(&answer.body)) {
    member.step = ready->step;
  }
  Note({.time = now, .slot = slot, .what = std::move(what), .fence = answer.fence});
}

void FlightRecorder::OnHeard(runtime::Time now, std::uint32_t slot, const StateReport& report) {
  MemberState& member = members_[slot];
  member.heard = now;
  member.step = report.step;
}

void FlightRecorder::OnHeard(runtime::Time now, std::uint32_t slot, const MemberStatus& status) {
  MemberState& member = members_[slot];
  member.heard = now;
  member.step = status.step;
  member.sent = std::max(member.sent, RingBytes(status.sent));
}

FlightRecord FlightRecorder::At(runtime::Time now) const {
  FlightRecord record;
  for (const auto& [slot, member] : members_) {
    record.members.push_back(
        {.slot = slot,
         .said = member.said,
         .silent_seconds = runtime::ToSeconds(now - member.heard),
         .step = member.step,
         .to = member.to,
         .sent_bytes = member.sent - std::min(member.sent, member.sent_before)});
  }
  for (const Word& word : words_) {
    record.words.push_back(
        {.seconds_before = runtime::ToSeconds(now - word.time),
         .from = word.slot.has_value() ? absl::StrCat("slot ", *word.slot) : "head",
         .what = word.what,
         .fence = word.fence.ToString()});
  }
  return record;
}

}  // namespace actors
