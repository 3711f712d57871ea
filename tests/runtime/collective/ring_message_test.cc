#include "runtime/collective/ring_message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

const Fence kFence = {.run = 0x123456789abcdef0,
                      .head_epoch = 3,
                      .view = ViewId{4},
                      .round = RoundId{5},
                      .attempt = 6};

RingMessage ChunkMessage(std::size_t hashes) {
  ChunkHeader chunk = {
      .sequence = 7, .phase = RingPhase::kAllgather, .segment = 31, .index = 9, .floats = 1048576};
  for (std::size_t i = 0; i < hashes; ++i) chunk.checksums.Append(i * 0x9e3779b97f4a7c15);
  return {.fence = kFence, .body = chunk};
}

std::vector<std::byte> Bytes(const RingMessage& message) {
  RingEncoder encoder;
  const std::span<const std::byte> bytes = encoder.Encode(message);
  return {bytes.begin(), bytes.end()};
}

TEST(RingMessage, ChunkHeadersComeBackAsTheyWere) {
  for (const std::size_t hashes : {std::size_t{1}, std::size_t{8}, kMaxLeavesPerChunk}) {
    const RingMessage sent = ChunkMessage(hashes);
    const auto received = DecodeRingMessage(Bytes(sent));
    ASSERT_OK(received);
    EXPECT_EQ(received->fence, kFence);
    const auto& chunk = std::get<ChunkHeader>(received->body);
    EXPECT_EQ(chunk.sequence, 7U);
    EXPECT_EQ(chunk.phase, RingPhase::kAllgather);
    EXPECT_EQ(chunk.segment, 31U);
    EXPECT_EQ(chunk.index, 9U);
    EXPECT_EQ(chunk.floats, 1048576U);
    const auto expected = std::get<ChunkHeader>(sent.body).checksums.span();
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), chunk.checksums.span().begin(),
                           chunk.checksums.span().end()));
  }
}

TEST(RingMessage, HelloAndCreditComeBackAsTheyWere) {
  const auto hello = DecodeRingMessage(
      Bytes({.fence = kFence, .body = RingHello{.from = {1, 2}, .to = {3, 4}, .from_next = true}}));
  ASSERT_OK(hello);
  EXPECT_EQ(std::get<RingHello>(hello->body).from, (NodeId{1, 2}));
  EXPECT_EQ(std::get<RingHello>(hello->body).to, (NodeId{3, 4}));
  EXPECT_TRUE(std::get<RingHello>(hello->body).from_next);
  const auto credit =
      DecodeRingMessage(Bytes({.fence = kFence, .body = RingCredit{.limit = 4000000000}}));
  ASSERT_OK(credit);
  EXPECT_EQ(std::get<RingCredit>(credit->body).limit, 4000000000U);
}

TEST(RingMessage, EncodingIsReproducible) {
  RingEncoder encoder;
  const std::vector<std::byte> first = Bytes(ChunkMessage(8));
  encoder.Encode(ChunkMessage(64));
  const std::span<const std::byte> again = encoder.Encode(ChunkMessage(8));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), again.begin(), again.end()));
}

TEST(RingMessage, EveryFlippedBitIsFound) {
  const std::vector<std::byte> bytes = Bytes(ChunkMessage(8));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<std::byte> flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_THAT(DecodeRingMessage(flipped), tests::HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST(RingMessage, ReadsAnyAlignment) {
  const std::vector<std::byte> bytes = Bytes(ChunkMessage(8));
  for (std::size_t shift = 0; shift < 8; ++shift) {
    // The allocator aligns the whole; the message begins `shift` bytes into it.
    std::vector<std::byte> moved(shift);
    moved.insert(moved.end(), bytes.begin(), bytes.end());
    EXPECT_OK(DecodeRingMessage(std::span(moved).subspan(shift)));
  }
}

TEST(RingMessage, CutAndGrownFramesAreRefused) {
  std::vector<std::byte> bytes = Bytes(ChunkMessage(8));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeRingMessage(std::span(bytes).first(size)).ok()) << size;
  }
  bytes.resize(bytes.size() + 8);
  EXPECT_FALSE(DecodeRingMessage(bytes).ok());
  bytes.resize(1 << 20);
  EXPECT_FALSE(DecodeRingMessage(bytes).ok());
}

// Valid checksums around random words: what a hostile peer could send.
TEST(RingMessage, RandomMessagesWithAValidChecksumNeverCrash) {
  std::mt19937_64 generator(1);
  const std::vector<std::byte> good = Bytes(ChunkMessage(3));
  std::vector<std::uint64_t> words(good.size() / 8);
  for (int i = 0; i < 20000; ++i) {
    std::memcpy(words.data(), good.data(), good.size());
    for (int changes = 1 + static_cast<int>(generator() % 3); changes > 0; --changes) {
      words[2 + generator() % (words.size() - 2)] = generator() >> generator() % 64;
    }
    const std::uint64_t seeded[2] = {words[0], HashBytes(&words[2], (words.size() - 2) * 8)};
    words[1] = HashBytes(seeded, sizeof(seeded));
    const auto message = DecodeRingMessage(std::as_bytes(std::span(words)));
    if (!message.ok()) continue;
    if (const auto* chunk = std::get_if<ChunkHeader>(&message->body)) {
      EXPECT_LT(chunk->segment, kMaxWorldSize);
      EXPECT_LE(chunk->checksums.span().size(), kMaxLeavesPerChunk);
      EXPECT_LE(chunk->floats * sizeof(float), kMaxChunkBytes);
    }
  }
}

}  // namespace
}  // namespace runtime
