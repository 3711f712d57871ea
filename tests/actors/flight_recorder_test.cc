#include "actors/flight_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace actors {
namespace {

using std::chrono::milliseconds;

runtime::Time At(int ms) { return runtime::Time{} + milliseconds(ms); }

runtime::Ledger Ring(std::uint64_t bytes) {
  runtime::Ledger sent;
  sent.Add(runtime::Traffic::kRing, bytes);
  sent.Add(runtime::Traffic::kState, 1'000'000);
  return sent;
}

const std::vector<Member> kMembers = {
    {.node = {1, 1}, .slot = 0}, {.node = {2, 2}, .slot = 3}, {.node = {3, 3}, .slot = 5}};

TEST(FlightRecorder, TellsHowFarEachEdgeGotInThisAttemptAndWhoSaidWhat) {
  FlightRecorder recorder;
  recorder.OnSent(At(0), {.body = OpenView{.members = kMembers}});
  recorder.OnHeard(At(10), 0, MemberStatus{.step = 7, .sent = Ring(1000)});
  recorder.OnSent(At(20), {.body = Prepare{}});
  for (const std::uint32_t slot : {0U, 3U, 5U}) {
    recorder.OnHeard(At(30), slot, Answer{.body = Ready{.step = 8}});
  }
  recorder.OnSent(At(40), {.body = Start{.members = {kMembers[1], kMembers[0], kMembers[2]}}});
  recorder.OnHeard(At(50), 0, Answer{.body = Done{.sent = Ring(1500)}});
  recorder.OnHeard(At(60), 3, MemberStatus{.step = 8, .sent = Ring(200)});
  recorder.OnHeard(At(70), 0, Answer{.body = Fail{.code = kRingFailed, .message = "gone"}});
  const FlightRecord record = recorder.At(At(1070));
  ASSERT_EQ(record.members.size(), 3u);
  const FlightMember& first = record.members[0];
  EXPECT_EQ(first.slot, 0u);
  EXPECT_EQ(first.said, "FAIL");
  EXPECT_EQ(first.to, 5u);
  EXPECT_EQ(first.sent_bytes, 500u);
  EXPECT_EQ(first.step, 8u);
  EXPECT_NEAR(first.silent_seconds, 1, 1e-9);
  EXPECT_EQ(record.members[1].said, "");
  EXPECT_EQ(record.members[1].to, 0u);
  EXPECT_EQ(record.members[1].sent_bytes, 200u);
  EXPECT_NEAR(record.members[2].silent_seconds, 1.04, 1e-9);
  std::vector<std::string> words;
  for (const FlightWord& word : record.words) words.push_back(word.from + " " + word.what);
  EXPECT_THAT(words, testing::ElementsAre("head VIEW", "head PREPARE", "slot 0 READY",
                                          "slot 3 READY", "slot 5 READY", "head START",
                                          "slot 0 DONE", "slot 0 FAIL: RING_FAILED: gone"));
  EXPECT_NEAR(record.words.back().seconds_before, 1, 1e-9);
}

TEST(FlightRecorder, ForgetsWhoIsNoMemberWithTheNextViewAndIsBounded) {
  FlightRecorder recorder;
  recorder.OnSent(At(0), {.body = OpenView{.members = kMembers}});
  recorder.OnHeard(At(10), 3, MemberStatus{.step = 7, .sent = Ring(1000)});
  // Another node in a slot that was another's.
  recorder.OnSent(At(20), {.body = OpenView{.members = {{.node = {4, 4}, .slot = 3}}}});
  ASSERT_EQ(recorder.At(At(20)).members.size(), 1u);
  EXPECT_EQ(recorder.At(At(20)).members[0].step, 0u);
  const std::string longest(10'000, 'x');
  for (int i = 0; i < 1000; ++i) {
    recorder.OnHeard(At(30), 3, Answer{.body = Fail{.code = kRingFailed, .message = longest}});
  }
  std::size_t text = 0;
  for (const FlightWord& word : recorder.At(At(40)).words) text += word.what.size();
  EXPECT_LE(text, 32'000u);
}

}  // namespace
}  // namespace actors
