#include "runtime/net/frame.h"

#include <capnp/message.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/base/hash.h"
#include "schema/envelope.capnp.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using ::tests::HasCode;
using ::tests::HasMessage;

constexpr std::uint64_t kSeed = 20230417;
constexpr std::size_t kFirstMessageWord = kFrameHeaderWords + 1;  // After the segment table.

Envelope SomeEnvelope() {
  return {.to = {1, 2},
          .to_actor = static_cast<ActorId>(3),
          .from = {4, 5},
          .from_actor = static_cast<ActorId>(6),
          .kind = EnvelopeKind::kAsk,
          .correlation = 7,
          .type = 8};
}

Frame FrameWithText(std::size_t characters) {
  return BuildFrame(SomeEnvelope(), [&](capnp::AnyPointer::Builder body) {
    body.initAs<schema::Failure>().setMessage(std::string(characters, 'x'));
  });
}

std::size_t Bytes(const Frame& frame) { return frame.size() * sizeof(std::uint64_t); }
FrameFault Check(const Frame& frame) { return CheckFrame(frame.data(), Bytes(frame)); }

// Makes the header agree with a message that was tampered with.
void Reseal(Frame& frame) {
  frame[2] = frame.size() - kFrameHeaderWords;
  const std::uint64_t parts[2] = {
      HashBytes(frame.data(), 3 * sizeof(std::uint64_t)),
      HashBytes(frame.data() + kFrameHeaderWords, Bytes(frame) - kFrameHeaderWords * 8)};
  frame[3] = HashBytes(parts, sizeof(parts));
}

absl::Status ReadText(const Frame& frame, std::string& text) {
  absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(frame);
  if (!reader.ok()) return reader.status();
  return (*reader)->ReadBody([&](capnp::AnyPointer::Reader body) {
    text = body.getAs<schema::Failure>().getMessage().cStr();
    return absl::OkStatus();
  });
}

TEST(Frame, ComesBackAsItWasBuilt) {
  // From one that fits the first segment to one that needs many.
  for (const std::size_t characters : {0, 1, 100, 5000, 100'000, 1'000'000}) {
    const Frame frame = FrameWithText(characters);
    ASSERT_EQ(Check(frame), FrameFault::kNone) << characters;
    absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(frame);
    ASSERT_OK(reader);
    const Envelope& envelope = (*reader)->envelope();
    EXPECT_EQ(envelope.to, (NodeId{1, 2}));
    EXPECT_EQ(Number(envelope.to_actor), 3u);
    EXPECT_EQ(envelope.from, (NodeId{4, 5}));
    EXPECT_EQ(Number(envelope.from_actor), 6u);
    EXPECT_EQ(envelope.kind, EnvelopeKind::kAsk);
    EXPECT_EQ(envelope.correlation, 7u);
    EXPECT_EQ(envelope.type, 8u);
    std::string text;
    ASSERT_OK(ReadText(frame, text));
    EXPECT_EQ(text.size(), characters);
  }
}

TEST(Frame, IsCheckedAtAnyAlignment) {
  const Frame frame = FrameWithText(40);
  std::vector<char> bytes(Bytes(frame) + 8);
  for (int shift = 0; shift < 8; ++shift) {
    std::memcpy(bytes.data() + shift, frame.data(), Bytes(frame));
    EXPECT_EQ(CheckFrame(bytes.data() + shift, Bytes(frame)), FrameFault::kNone) << shift;
  }
}

TEST(Frame, BrokenOnesAreRefusedWithTheirFault) {
  const Frame good = FrameWithText(40);
  const auto with = [&](std::size_t word, std::uint64_t flip) {
    Frame frame = good;
    frame[word] ^= flip;
    return Check(frame);
  };
  EXPECT_EQ(CheckFrame(nullptr, 0), FrameFault::kSize);
  EXPECT_EQ(CheckFrame(good.data(), Bytes(good) - 1), FrameFault::kSize) << "not whole words";
  EXPECT_EQ(CheckFrame(good.data(), Bytes(good) - 8), FrameFault::kSize) << "truncated";
  EXPECT_EQ(CheckFrame(good.data(), kFrameHeaderWords * 8), FrameFault::kSize) << "only a header";
  EXPECT_EQ(with(0, 1), FrameFault::kMagic);
  EXPECT_EQ(with(0, 1ull << 33), FrameFault::kVersion);
  EXPECT_EQ(with(0, 1ull << 32), FrameFault::kSchema) << "a handshake names no schema";
  EXPECT_EQ(with(0, 1ull << 48), FrameFault::kVersion) << "reserved bits";
  EXPECT_EQ(with(1, 1), FrameFault::kSchema);
  EXPECT_EQ(with(2, 1), FrameFault::kSize);
  EXPECT_EQ(with(2, 1ull << 63), FrameFault::kSize) << "length overflow";
  EXPECT_EQ(with(3, 1), FrameFault::kChecksum);
  EXPECT_EQ(with(good.size() - 1, 1), FrameFault::kChecksum);
  const Frame huge(kMaxFrameBytes / 8 + 1, good[0]);
  EXPECT_EQ(Check(huge), FrameFault::kSize);
}

TEST(Frame, RandomBytesAreRefused) {
  std::mt19937_64 random(kSeed);
  Frame frame;
  for (int i = 0; i < 100'000; ++i) {
    frame.resize(random() % 64);
    for (std::uint64_t& word : frame) word = random();
    ASSERT_NE(Check(frame), FrameFault::kNone) << "seed " << kSeed << ", frame " << i;
    // And even if the header were right, reading never harms.
    if (frame.size() < kFrameHeaderWords + 2) continue;
    std::string text;
    ReadText(frame, text).IgnoreError();
  }
}

TEST(Frame, ASingleFlippedBitIsNoticed) {
  std::mt19937_64 random(kSeed);
  const Frame good = FrameWithText(300);
  for (int i = 0; i < 100'000; ++i) {
    Frame frame = good;
    const std::size_t bit = random() % (Bytes(frame) * 8);
    frame[bit / 64] ^= 1ull << (bit % 64);
    ASSERT_NE(Check(frame), FrameFault::kNone) << "seed " << kSeed << ", bit " << bit;
  }
}

TEST(Frame, ResealedGarbageIsReadWithoutHarm) {
  // A hostile peer computes the checksum too: everything behind it must stand by itself.
  std::mt19937_64 random(kSeed);
  int refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    Frame frame = FrameWithText(20);
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int change = 0; change < changes; ++change) {
      const std::size_t word = kFrameHeaderWords + random() % (frame.size() - kFrameHeaderWords);
      frame[word] = random() % 2 == 0 ? random() : frame[word] ^ 1ull << (random() % 64);
    }
    Reseal(frame);
    ASSERT_EQ(Check(frame), FrameFault::kNone);
    std::string text;
    refused += ReadText(frame, text).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 10'000);
}

TEST(Frame, TrailingWordsAreRefused) {
  Frame frame = FrameWithText(20);
  frame.push_back(0);
  Reseal(frame);
  ASSERT_EQ(Check(frame), FrameFault::kNone);
  EXPECT_THAT(FrameReader::Open(frame), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(Frame, MoreThanOneSegmentIsRefused) {
  Frame frame = FrameWithText(20);
  frame[kFrameHeaderWords] |= 1;
  Reseal(frame);
  EXPECT_THAT(FrameReader::Open(frame), HasMessage("more than one segment"));
}

TEST(Frame, APointerLoopEnds) {
  // The body's pointer points to itself as a list of pointers, each element to the list again.
  Frame frame = BuildFrame(
      SomeEnvelope(), [](capnp::AnyPointer::Builder body) { body.initAsListOfAnyStruct(0, 1, 1); });
  const std::size_t last = frame.size() - 1;
  // A list pointer with offset -1 to itself: one element of size "pointer".
  frame[last] = 0xfffffffdu | (1ull << 35) | (6ull << 32);
  Reseal(frame);
  const absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(frame);
  ASSERT_OK(reader);
  const absl::Status status = (*reader)->ReadBody([](capnp::AnyPointer::Reader body) {
    capnp::MallocMessageBuilder copy;
    copy.setRoot(body);  // Follows every pointer.
    return absl::OkStatus();
  });
  EXPECT_THAT(status, HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(Frame, AnUnknownKindOfEnvelopeIsRefused) {
  Frame frame = FrameWithText(0);
  bool found = false;
  for (std::size_t word = kFirstMessageWord; word < frame.size() && !found; ++word) {
    Frame changed = frame;
    changed[word] ^= 0x77;
    Reseal(changed);
    const absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(changed);
    found = !reader.ok() && reader.status().ToString().find("unknown kind") != std::string::npos;
  }
  EXPECT_TRUE(found);
}

TEST(Frame, WhatTheReaderReturnsComesThrough) {
  const Frame frame = FrameWithText(1);
  const absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(frame);
  ASSERT_OK(reader);
  EXPECT_THAT((*reader)->ReadBody(
                  [](capnp::AnyPointer::Reader) { return absl::DataLossError("not a number"); }),
              HasCode(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace runtime
