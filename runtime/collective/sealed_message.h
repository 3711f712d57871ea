// Small messages of the data plane as bytes: one frame of whole 64-bit words, little endian.
//
//   word 0   magic (32 bits), version (16 bits), words of the message that follows (16 bits)
//   word 1   XXH3-64 of word 0 and of the message
//   word 2.. one Cap'n Proto segment
// Pure functions; any thread. All kj exceptions stop in sealed_message.cc.
#ifndef RONDO_RUNTIME_COLLECTIVE_SEALED_MESSAGE_H_
#define RONDO_RUNTIME_COLLECTIVE_SEALED_MESSAGE_H_

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <capnp/message.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace runtime {

inline constexpr std::size_t kMaxSealedBytes = 1024;

// One family of messages.
struct SealKind {
  std::uint32_t magic = 0;  // Four letters as bytes.
  std::uint16_t version = 0;
  std::string_view name;  // For errors: "not a ring message".
};

// The bytes of a message, in a buffer that is reused from call to call.
class MessageSealer {
 public:
  // `write` sets the root; what it writes must fit into kMaxSealedBytes. Valid until the next call.
  std::span<const std::byte> Seal(const SealKind& kind,
                                  absl::FunctionRef<void(capnp::MessageBuilder&)> write);

 private:
  alignas(8) std::array<std::uint64_t, kMaxSealedBytes / 8> words_;
};

// Checks size, magic, checksum, and that the root accounts for every word; then calls `read`, whose
// getters may fail. kInvalidArgument: no such message, the words say in what; or what `read`
// returned. Reads any alignment.
absl::Status Unseal(const SealKind& kind, std::span<const std::byte> bytes,
                    absl::FunctionRef<absl::Status(capnp::MessageReader&)> read);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_SEALED_MESSAGE_H_
