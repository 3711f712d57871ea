#include "runtime/actor/mailbox.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::seconds;
using tests::HasCode;

constexpr NodeId kSelf{1, 1};
constexpr NodeId kPeer{1, 2};
constexpr std::uint64_t kControlType = 11;
constexpr std::uint64_t kDataType = 12;

Letter FrameOf(NodeId source, std::uint64_t type, std::uint64_t correlation = 0,
               EnvelopeKind kind = EnvelopeKind::kTell) {
  FrameLetter letter;
  letter.frame = BuildFrame({.to = kSelf, .kind = kind, .correlation = correlation, .type = type},
                            [](capnp::AnyPointer::Builder) {});
  letter.reader = *FrameReader::Open(letter.frame);
  return {source, std::move(letter)};
}

std::uint64_t CorrelationOf(const std::optional<Letter>& letter) {
  return std::get<FrameLetter>(letter->content).reader->envelope().correlation;
}

std::uint64_t TypeOf(const std::optional<Letter>& letter) {
  return std::get<FrameLetter>(letter->content).reader->envelope().type;
}

class MailboxTest : public testing::Test {
 protected:
  explicit MailboxTest(const MailboxLimits& limits = {.control_letters = 100,
                                                      .control_bytes = 1 << 20,
                                                      .data_bytes = 2000})
      : mailbox_(limits) {
    mailbox_.AddDataTypes(std::array{kDataType});
  }
  Mailbox mailbox_;
};

TEST_F(MailboxTest, ControlOvertakesDataAndEachLaneKeepsItsOrder) {
  ASSERT_OK(mailbox_.Push(FrameOf(kPeer, kDataType, 1)));
  ASSERT_OK(mailbox_.Push(FrameOf(kPeer, kDataType, 2)));
  ASSERT_OK(mailbox_.Push(FrameOf(kPeer, kControlType, 3)));
  ASSERT_OK(mailbox_.Push(FrameOf(kPeer, kControlType, 4)));
  std::vector<std::uint64_t> order;
  while (auto letter = mailbox_.Pop()) order.push_back(CorrelationOf(letter));
  EXPECT_EQ(order, (std::vector<std::uint64_t>{3, 4, 1, 2}));
}

TEST_F(MailboxTest, DataIsNotStarvedByControl) {
  ASSERT_OK(mailbox_.Push(FrameOf(kPeer, kDataType)));
  int before_data = 0;
  for (;; ++before_data) {
    ASSERT_OK(mailbox_.Push(FrameOf(kPeer, kControlType)));
    ASSERT_LT(before_data, 1000);
    if (TypeOf(mailbox_.Pop()) == kDataType) break;
  }
  EXPECT_EQ(before_data, 64);
}

TEST_F(MailboxTest, TheDataLaneIsBoundedInBytesAndTakesMoreWhenItWasEmptied) {
  std::size_t taken = 0;
  absl::Status status;
  while ((status = mailbox_.Push(FrameOf(kPeer, kDataType))).ok()) ASSERT_LT(++taken, 100u);
  EXPECT_THAT(status, HasCode(absl::StatusCode::kResourceExhausted));
  EXPECT_GE(taken, 2u);
  // Control goes on.
  EXPECT_OK(mailbox_.Push(FrameOf(kPeer, kControlType)));
  while (mailbox_.Pop().has_value()) {
  }
  EXPECT_OK(mailbox_.Push(FrameOf(kPeer, kDataType)));
}

TEST_F(MailboxTest, AnAnswerIsControlWhateverItsType) {
  while (mailbox_.Push(FrameOf(kPeer, kDataType)).ok()) {
  }
  EXPECT_OK(mailbox_.Push(FrameOf(kPeer, kDataType, 5, EnvelopeKind::kAnswer)));
  EXPECT_EQ(CorrelationOf(mailbox_.Pop()), 5u);
}

TEST_F(MailboxTest, AFloodOfAMillionControlMessagesStaysBoundedAndHarmsNobodyElse) {
  std::size_t taken = 0;
  absl::Status last;
  for (int i = 0; i < 1'000'000; ++i) {
    last = mailbox_.Push({kPeer, PostedLetter{}});
    if (last.ok()) ++taken;
  }
  EXPECT_EQ(taken, 100u);
  EXPECT_THAT(last, HasCode(absl::StatusCode::kInternal));
  EXPECT_OK(mailbox_.Push({kSelf, PostedLetter{}}));
  std::size_t popped = 0;
  while (mailbox_.Pop().has_value()) ++popped;
  EXPECT_EQ(popped, taken + 1);
  EXPECT_OK(mailbox_.Push({kPeer, PostedLetter{}}));
}

TEST_F(MailboxTest, ControlIsBoundedInBytesToo) {
  Mailbox mailbox({.control_letters = 1000, .control_bytes = 2000});
  std::size_t taken = 0;
  while (mailbox.Push(FrameOf(kPeer, kControlType)).ok()) ASSERT_LT(++taken, 100u);
  EXPECT_GE(taken, 2u);
}

TEST_F(MailboxTest, ClosedItRefusesWhatComesAndDropsWhatWaits) {
  auto token = std::make_shared<int>(0);
  ASSERT_OK(mailbox_.Push({kSelf, PostedLetter{.closure = [token] {}}}));
  EXPECT_EQ(token.use_count(), 2);
  mailbox_.Close();
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(mailbox_.Pop().has_value());
  EXPECT_THAT(mailbox_.Push({kSelf, PostedLetter{}}), HasCode(absl::StatusCode::kCancelled));
}

TEST_F(MailboxTest, AWaitEndsWithALetterAnInterruptOrItsDeadline) {
  const Time start = std::chrono::steady_clock::now();
  mailbox_.WaitUntil(start);  // In the past: returns.
  mailbox_.Interrupt();
  mailbox_.WaitUntil(start + seconds(60));
  std::thread pusher([&] { EXPECT_OK(mailbox_.Push({kSelf, PostedLetter{}})); });
  mailbox_.WaitUntil(start + seconds(60));
  pusher.join();
  EXPECT_TRUE(mailbox_.Pop().has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(60));
}

TEST(Mailbox, ManyThreadsPushWhatOnePops) {
  constexpr int kThreads = 4;
  constexpr std::uint64_t kEach = 2000;
  Mailbox mailbox({});
  mailbox.AddDataTypes(std::array{kDataType});
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&mailbox, thread] {
      const NodeId source{9, static_cast<std::uint64_t>(thread) + 1};
      for (std::uint64_t i = 1; i <= kEach; ++i) {
        EXPECT_OK(mailbox.Push(FrameOf(source, i % 3 == 0 ? kDataType : kControlType, i)));
      }
    });
  }
  std::uint64_t popped = 0;
  std::map<std::pair<NodeId, std::uint64_t>, std::uint64_t> last;
  const Time deadline = std::chrono::steady_clock::now() + seconds(60);
  while (popped < kThreads * kEach && std::chrono::steady_clock::now() < deadline) {
    mailbox.WaitUntil(deadline);
    while (const auto letter = mailbox.Pop()) {
      ++popped;
      std::uint64_t& before = last[{letter->source, TypeOf(letter)}];
      EXPECT_GT(CorrelationOf(letter), before);  // Per source and lane, in order.
      before = CorrelationOf(letter);
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(popped, kThreads * kEach);
}

}  // namespace
}  // namespace runtime
