#include "runtime/collective/ring_message.h"

#include "runtime/base/status.h"
#include "schema/ring.capnp.h"

namespace runtime {
namespace {

constexpr SealKind kRingMessage = {
    .magic = 0x474e4952,  // "RING" as bytes.
    .version = 1,
    .name = "ring message",
};

void WriteBody(const RingHello& hello, schema::RingMessage::Builder root) {
  auto builder = root.initHello();
  builder.setFromHigh(hello.from.high);
  builder.setFromLow(hello.from.low);
  builder.setToHigh(hello.to.high);
  builder.setToLow(hello.to.low);
  builder.setFromNext(hello.from_next);
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
absl::StatusOr<RingMessage> ReadMessage(schema::RingMessage::Reader root) {
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
                               .to = {.high = hello.getToHigh(), .low = hello.getToLow()},
                               .from_next = hello.getFromNext()};
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
  return sealer_.Seal(kRingMessage, [&](capnp::MessageBuilder& builder) {
    auto root = builder.initRoot<schema::RingMessage>();
    root.setRun(message.fence.run);
    root.setHeadEpoch(message.fence.head_epoch);
    root.setView(Number(message.fence.view));
    root.setRound(Number(message.fence.round));
    root.setAttempt(message.fence.attempt);
    std::visit([&](const auto& part) { WriteBody(part, root); }, message.body);
  });
}

absl::StatusOr<RingMessage> DecodeRingMessage(std::span<const std::byte> bytes) {
  RingMessage message;
  RETURN_IF_ERROR(Unseal(kRingMessage, bytes, [&](capnp::MessageReader& reader) -> absl::Status {
    ASSIGN_OR_RETURN(message, ReadMessage(reader.getRoot<schema::RingMessage>()));
    return absl::OkStatus();
  }));
  return message;
}

}  // namespace runtime
