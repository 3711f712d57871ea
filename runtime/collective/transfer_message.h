// Transfer messages as plain structs, and their bytes (schema/transfer.capnp).
//
// A message is a sealed one (sealed_message.h) with magic "XFER" and root schema::TransferMessage.
// Pure functions; any thread.
#ifndef RONDO_RUNTIME_COLLECTIVE_TRANSFER_MESSAGE_H_
#define RONDO_RUNTIME_COLLECTIVE_TRANSFER_MESSAGE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "runtime/base/hash.h"
#include "runtime/collective/sealed_message.h"
#include "runtime/net/traffic.h"

namespace runtime {

// Floats of a chunk, at most: 512 KiB.
inline constexpr std::uint32_t kMaxTransferFloats = 128 * 1024;
// Offsets stay below it, so that no sum of them wraps.
inline constexpr std::uint64_t kMaxTransferOffset = std::uint64_t{1} << 48;

struct TransferRequest {
  std::uint64_t offset = 0;  // Both in floats.
  std::uint32_t floats = 0;
  Traffic traffic = Traffic::kJoin;  // Or kCheckpoint: what it and its answer are booked to.

  bool operator==(const TransferRequest&) const = default;
};

struct TransferChunk {
  TransferRequest range;       // Without its traffic.
  std::uint64_t checksum = 0;  // HashFloats of the floats that follow.

  bool operator==(const TransferChunk&) const = default;
};

struct TransferNotHeld {
  bool operator==(const TransferNotHeld&) const = default;
};

struct TransferMessage {
  Hash128 root;
  std::variant<TransferRequest, TransferChunk, TransferNotHeld> body;
};

// The bytes of a message, in a buffer that is reused from call to call.
class TransferEncoder {
 public:
  // Valid until the next call.
  std::span<const std::byte> Encode(const TransferMessage& message);

 private:
  MessageSealer sealer_;
};

// Checks size, magic, checksum, structure and ranges. kInvalidArgument: not a transfer message, the
// words say in what; kOutOfRange: one with numbers out of their ranges. Reads any alignment.
absl::StatusOr<TransferMessage> DecodeTransferMessage(std::span<const std::byte> bytes);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_TRANSFER_MESSAGE_H_
