#include "runtime/collective/transfer_message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/collective/ring_message.h"
#include "runtime/collective/transfer_answer.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::HasCode;

constexpr Hash128 kRoot = {.high = 0x123456789abcdef0, .low = 7};
constexpr TransferRequest kRange = {.offset = kMaxTransferOffset - 1, .floats = kMaxTransferFloats};

std::vector<std::byte> Bytes(const TransferMessage& message) {
  TransferEncoder encoder;
  const std::span<const std::byte> bytes = encoder.Encode(message);
  return {bytes.begin(), bytes.end()};
}

TEST(TransferMessage, EachKindComesBackAsItWas) {
  for (const decltype(TransferMessage::body)& body : std::vector<decltype(TransferMessage::body)>{
           kRange, TransferRequest{.floats = 1, .traffic = Traffic::kCheckpoint},
           TransferChunk{.range = kRange, .checksum = 0xfedcba9876543210}, TransferNotHeld{}}) {
    const auto received = DecodeTransferMessage(Bytes({.root = kRoot, .body = body}));
    ASSERT_OK(received);
    EXPECT_EQ(received->root, kRoot);
    EXPECT_TRUE(received->body == body) << body.index();
  }
}

TEST(TransferMessage, RangesOutOfBoundsAreRefused) {
  for (const TransferRequest& range :
       {TransferRequest{.offset = 0, .floats = 0},
        TransferRequest{.offset = 0, .floats = kMaxTransferFloats + 1},
        TransferRequest{.offset = kMaxTransferOffset, .floats = 1},
        TransferRequest{.offset = ~std::uint64_t{0}, .floats = 1}}) {
    EXPECT_THAT(DecodeTransferMessage(Bytes({.root = kRoot, .body = range})),
                HasCode(absl::StatusCode::kOutOfRange));
    EXPECT_THAT(DecodeTransferMessage(
                    Bytes({.root = kRoot, .body = TransferChunk{.range = range, .checksum = 1}})),
                HasCode(absl::StatusCode::kOutOfRange));
  }
}

TEST(TransferMessage, EveryFlippedBitIsFound) {
  const std::vector<std::byte> bytes = Bytes({.root = kRoot, .body = kRange});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<std::byte> flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_THAT(DecodeTransferMessage(flipped), HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST(TransferMessage, CutAndGrownFramesAndOtherFamiliesAreRefused) {
  std::vector<std::byte> bytes = Bytes({.root = kRoot, .body = kRange});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeTransferMessage(std::span(bytes).first(size)).ok()) << size;
  }
  bytes.resize(bytes.size() + 8);
  EXPECT_FALSE(DecodeTransferMessage(bytes).ok());
  bytes.resize(1 << 20);
  EXPECT_FALSE(DecodeTransferMessage(bytes).ok());
  RingEncoder ring;
  EXPECT_FALSE(DecodeTransferMessage(ring.Encode({.body = RingCredit{.limit = 1}})).ok());
  EXPECT_FALSE(DecodeRingMessage(Bytes({.root = kRoot, .body = kRange})).ok());
}

TEST(TransferMessage, ReadsAnyAlignment) {
  const std::vector<std::byte> bytes = Bytes({.root = kRoot, .body = TransferNotHeld{}});
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::byte> moved(shift);
    moved.insert(moved.end(), bytes.begin(), bytes.end());
    EXPECT_OK(DecodeTransferMessage(std::span(moved).subspan(shift)));
  }
}

// Valid checksums around random words: what a hostile peer could send.
TEST(TransferMessage, RandomMessagesWithAValidChecksumNeverCrash) {
  std::mt19937_64 generator(1);
  const std::vector<std::byte> good =
      Bytes({.root = kRoot, .body = TransferChunk{.range = kRange, .checksum = 5}});
  std::vector<std::uint64_t> words(good.size() / 8);
  int understood = 0;
  for (int i = 0; i < 20000; ++i) {
    std::memcpy(words.data(), good.data(), good.size());
    for (int changes = 1 + static_cast<int>(generator() % 3); changes > 0; --changes) {
      words[2 + generator() % (words.size() - 2)] = generator() >> generator() % 64;
    }
    const std::uint64_t seeded[2] = {words[0], HashBytes(&words[2], (words.size() - 2) * 8)};
    words[1] = HashBytes(seeded, sizeof(seeded));
    const auto message = DecodeTransferMessage(std::as_bytes(std::span(words)));
    if (!message.ok()) continue;
    ++understood;
    if (const auto* chunk = std::get_if<TransferChunk>(&message->body)) {
      EXPECT_LT(chunk->range.offset, kMaxTransferOffset);
      EXPECT_LE(chunk->range.floats, kMaxTransferFloats);
    }
  }
  EXPECT_GT(understood, 0);
}

TEST(TransferAnswer, IsAChunkOfWhatIsOfferedOrThatItIsNotHeld) {
  const std::vector<float> floats = {1, 2, 3, 4, 5};
  const TransferOffer offer = {.root = kRoot, .floats = floats};
  const TransferAnswer chunk = AnswerRequest(offer, kRoot, {.offset = 2, .floats = 3});
  EXPECT_EQ(std::get<TransferChunk>(chunk.message.body),
            (TransferChunk{.range = {.offset = 2, .floats = 3},
                           .checksum = HashFloats(std::span(floats).subspan(2))}));
  EXPECT_EQ(chunk.floats.data(), floats.data() + 2);
  for (const auto& [root, range] : std::vector<std::pair<Hash128, TransferRequest>>{
           {{1, 2}, {.offset = 0, .floats = 1}},
           {kRoot, {.offset = 2, .floats = 4}},
           {kRoot, {.offset = 6, .floats = 1}},
           {kRoot, {.offset = kMaxTransferOffset - 1, .floats = kMaxTransferFloats}}}) {
    const TransferAnswer answer = AnswerRequest(offer, root, range);
    EXPECT_TRUE(std::holds_alternative<TransferNotHeld>(answer.message.body));
    EXPECT_EQ(answer.message.root, root);
    EXPECT_TRUE(answer.floats.empty());
  }
  // Nothing is offered yet.
  EXPECT_TRUE(AnswerRequest({}, {}, {.offset = 0, .floats = 1}).floats.empty());
}

}  // namespace
}  // namespace runtime
