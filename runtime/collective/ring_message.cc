#include "runtime/collective/ring_message.h"

#include <absl/strings/str_cat.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <exception>

#include "runtime/base/hash.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "schema/ring.capnp.h"

namespace runtime {
namespace {

constexpr std::size_t kPrefixWords = 2;
constexpr std::uint32_t kMagic = 0x474e4952;  // "RING" as bytes.
constexpr std::uint16_t kVersion = 1;

std::uint64_t FirstWord(std::size_t message_words) {
  return kMagic | std::uint64_t{kVersion} << 32 | std::uint64_t{message_words} << 48;
}

// Of word 0 and of the message, which lie on both sides of the checksum.
std::uint64_t Checksum(std::uint64_t first_word, const std::uint64_t* message, std::size_t words) {
  const std::uint64_t seeded[2] = {first_word, HashBytes(message, words * sizeof(std::uint64_t))};
  return HashBytes(seeded, sizeof(seeded));
}

void WriteBody(const RingHello& hello, schema::RingMessage::Builder root) {
  auto builder = root.initHello();
  builder.setFromHigh(hello.from.high);
  builder.setFromLow(hello.from.low);
  builder.setToHigh(hello.to.high);
  builder.setToLow(hello.to.low);
}

void WriteBody(const RingCredit& credit, schema::RingMessage::Builder root) {
  root.initCredit().setLimit(credit.limit);
}

void WriteBody(const ChunkHeader& chunk, schema::RingMessage::Builder root) {
  auto builder = root.initChunk();
  builder.setSequence(chunk.sequence);
  builder.setPhase(chunk.phase == RingPhase::kReduceScatter
                       ? schema::RingMessage::Phase::REDUCE_SCATTER
                       : schema::RingMessage::Phase::ALLGATHER);
  builder.setSegment(static_cast<std::uint16_t>(chunk.segment));
  builder.setIndex(chunk.index);
  builder.setFloats(chunk.floats);
  const std::span<const std::uint64_t> hashes = chunk.checksums.span();
  auto list = builder.initChecksums(static_cast<unsigned>(hashes.size()));
  for (unsigned i = 0; i < hashes.size(); ++i) list.set(i, hashes[i]);
}

absl::StatusOr<ChunkHeader> ReadChunk(schema::RingMessage::Chunk::Reader reader) {
  ChunkHeader chunk;
  chunk.sequence = reader.getSequence();
  switch (reader.getPhase()) {
    case schema::RingMessage::Phase::REDUCE_SCATTER: chunk.phase = RingPhase::kReduceScatter; break;
    case schema::RingMessage::Phase::ALLGATHER: chunk.phase = RingPhase::kAllgather; break;
    default: return absl::InvalidArgumentError("unknown phase");
  }
  chunk.segment = reader.getSegment();
  chunk.index = reader.getIndex();
  chunk.floats = reader.getFloats();
  const auto checksums = reader.getChecksums();
  if (chunk.segment >= kMaxWorldSize || chunk.floats == 0 ||
      chunk.floats > kMaxChunkBytes / sizeof(float) || checksums.size() == 0 ||
      checksums.size() > kMaxLeavesPerChunk) {
    return absl::InvalidArgumentError("chunk out of range");
  }
  for (const std::uint64_t hash : checksums) chunk.checksums.Append(hash);
  return chunk;
}

// May throw: every getter checks lazily.
absl::StatusOr<RingMessage> ReadMessage(std::span<const capnp::word> words) {
  const kj::ArrayPtr<const capnp::word> segment(words.data(), words.size());
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = 4 * words.size();
  limits.nestingLimit = 4;
  capnp::SegmentArrayMessageReader reader(kj::arrayPtr(&segment, 1), limits);
  const auto root = reader.getRoot<schema::RingMessage>();
  // The root pointer is not part of its own size; anything beyond is no message of ours.
  if (root.totalSize().wordCount + 1 != words.size()) {
    return absl::InvalidArgumentError("not a ring message: words that nothing points to");
  }
  RingMessage message;
  message.fence = {.run = root.getRun(),
                   .head_epoch = root.getHeadEpoch(),
                   .view = ViewId{root.getView()},
                   .round = RoundId{root.getRound()},
                   .attempt = root.getAttempt()};
  switch (root.which()) {
    case schema::RingMessage::HELLO: {
      const auto hello = root.getHello();
      message.body = RingHello{.from = {.high = hello.getFromHigh(), .low = hello.getFromLow()},
                               .to = {.high = hello.getToHigh(), .low = hello.getToLow()}};
      return message;
    }
    case schema::RingMessage::CREDIT:
      message.body = RingCredit{.limit = root.getCredit().getLimit()};
      return message;
    case schema::RingMessage::CHUNK: {
      ASSIGN_OR_RETURN(message.body, ReadChunk(root.getChunk()));
      return message;
    }
  }
  return absl::InvalidArgumentError("unknown kind of ring message");
}

}  // namespace

std::span<const std::byte> RingEncoder::Encode(const RingMessage& message) {
  words_.fill(0);  // Cap'n Proto wants its first segment zeroed.
  std::uint64_t* const body = words_.data() + kPrefixWords;
  const kj::ArrayPtr<capnp::word> space(reinterpret_cast<capnp::word*>(body),
                                        words_.size() - kPrefixWords);
  capnp::FlatMessageBuilder builder(space);  // Throws if it does not fit, which is our bug.
  auto root = builder.initRoot<schema::RingMessage>();
  root.setRun(message.fence.run);
  root.setHeadEpoch(message.fence.head_epoch);
  root.setView(Number(message.fence.view));
  root.setRound(Number(message.fence.round));
  root.setAttempt(message.fence.attempt);
  std::visit([&](const auto& part) { WriteBody(part, root); }, message.body);
  const auto segments = builder.getSegmentsForOutput();
  REQUIRE(segments.size() == 1 && segments[0].begin() == space.begin());
  const std::size_t words = segments[0].size();
  words_[0] = FirstWord(words);
  words_[1] = Checksum(words_[0], body, words);
  return std::as_bytes(std::span(words_).first(kPrefixWords + words));
}

absl::StatusOr<RingMessage> DecodeRingMessage(std::span<const std::byte> bytes) {
  if (bytes.size() % sizeof(std::uint64_t) != 0 ||
      bytes.size() <= kPrefixWords * sizeof(std::uint64_t) || bytes.size() > kMaxRingMessageBytes) {
    return absl::InvalidArgumentError(absl::StrCat("not a ring message: ", bytes.size(), " bytes"));
  }
  const std::size_t words = bytes.size() / sizeof(std::uint64_t);
  // ZeroMQ delivers small frames at any address; Cap'n Proto needs words.
  std::array<std::uint64_t, kMaxRingMessageBytes / 8> copy;
  const auto* frame = reinterpret_cast<const std::uint64_t*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % sizeof(std::uint64_t) != 0) {
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    frame = copy.data();
  }
  const std::uint64_t* const body = frame + kPrefixWords;
  if (frame[0] != FirstWord(words - kPrefixWords)) {
    return absl::InvalidArgumentError("not a ring message: magic, version or size");
  }
  if (frame[1] != Checksum(frame[0], body, words - kPrefixWords)) {
    return absl::InvalidArgumentError("not a ring message: checksum");
  }
  try {
    return ReadMessage({reinterpret_cast<const capnp::word*>(body), words - kPrefixWords});
  } catch (const kj::Exception& error) {
    return absl::InvalidArgumentError(error.getDescription().cStr());
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace runtime
