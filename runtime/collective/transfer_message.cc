#include "runtime/collective/transfer_message.h"

#include "runtime/base/status.h"
#include "schema/transfer.capnp.h"

namespace runtime {
namespace {

constexpr SealKind kTransferMessage = {
    .magic = 0x52454658,  // "XFER" as bytes.
    .version = 1,
    .name = "transfer message",
};

void WriteBody(const TransferRequest& request, schema::TransferMessage::Builder root) {
  auto builder = root.initRequest();
  builder.setOffset(request.offset);
  builder.setFloats(request.floats);
  builder.setCheckpoint(request.traffic == Traffic::kCheckpoint);
}

void WriteBody(const TransferChunk& chunk, schema::TransferMessage::Builder root) {
  auto builder = root.initChunk();
  builder.setOffset(chunk.range.offset);
  builder.setFloats(chunk.range.floats);
  builder.setChecksum(chunk.checksum);
}

void WriteBody(const TransferNotHeld&, schema::TransferMessage::Builder root) { root.setNotHeld(); }

absl::StatusOr<TransferRequest> CheckedRange(std::uint64_t offset, std::uint32_t floats) {
  if (offset >= kMaxTransferOffset || floats == 0 || floats > kMaxTransferFloats) {
    return absl::OutOfRangeError("transfer message: no such range of floats");
  }
  return TransferRequest{.offset = offset, .floats = floats};
}

// May throw: every getter checks lazily.
absl::StatusOr<TransferMessage> ReadMessage(schema::TransferMessage::Reader root) {
  TransferMessage message;
  message.root = {.high = root.getRootHigh(), .low = root.getRootLow()};
  switch (root.which()) {
    case schema::TransferMessage::REQUEST: {
      const auto request = root.getRequest();
      ASSIGN_OR_RETURN(TransferRequest range,
                       CheckedRange(request.getOffset(), request.getFloats()));
      if (request.getCheckpoint()) range.traffic = Traffic::kCheckpoint;
      message.body = range;
      return message;
    }
    case schema::TransferMessage::CHUNK: {
      const auto reader = root.getChunk();
      TransferChunk chunk = {.checksum = reader.getChecksum()};
      ASSIGN_OR_RETURN(chunk.range, CheckedRange(reader.getOffset(), reader.getFloats()));
      message.body = chunk;
      return message;
    }
    case schema::TransferMessage::NOT_HELD: message.body = TransferNotHeld{}; return message;
  }
  return absl::InvalidArgumentError("unknown kind of transfer message");
}

}  // namespace

std::span<const std::byte> TransferEncoder::Encode(const TransferMessage& message) {
  return sealer_.Seal(kTransferMessage, [&](capnp::MessageBuilder& builder) {
    auto root = builder.initRoot<schema::TransferMessage>();
    root.setRootHigh(message.root.high);
    root.setRootLow(message.root.low);
    std::visit([&](const auto& part) { WriteBody(part, root); }, message.body);
  });
}

absl::StatusOr<TransferMessage> DecodeTransferMessage(std::span<const std::byte> bytes) {
  TransferMessage message;
  RETURN_IF_ERROR(
      Unseal(kTransferMessage, bytes, [&](capnp::MessageReader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(message, ReadMessage(reader.getRoot<schema::TransferMessage>()));
        return absl::OkStatus();
      }));
  return message;
}

}  // namespace runtime
