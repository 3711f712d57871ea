// Bytes <-> checked frames.
//
// A frame is one ZeroMQ part of whole 64-bit words, little endian:
//   word 0   magic "RNDO", protocol version (16 bits), reserved (16 bits, 0)
//   word 1   fingerprint of the schema files both sides were built from
//   word 2   words of the Cap'n Proto message that follows
//   word 3   XXH3-64 over (XXH3-64 of words 0 to 2, XXH3-64 of the message)
//   word 4.. the message: one segment, root schema::Envelope
// Cap'n Proto accepts a flipped bit half of the time and ignores trailing words; hence the checksum
// and the exact size. All kj exceptions stop in frame.cc and in the guarded Decode below.
#ifndef RONDO_RUNTIME_NET_FRAME_H_
#define RONDO_RUNTIME_NET_FRAME_H_

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/base/ids.h"
#include "runtime/net/transport.h"

namespace runtime {

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kFrameHeaderWords = 4;
// Largest control frame, in bytes: the exact estimator's vector of 200,000 floats and some.
inline constexpr std::size_t kMaxFrameBytes = 1 << 20;

// Of the .capnp files this program was built from.
std::uint64_t SchemaFingerprint();

enum class EnvelopeKind : std::uint8_t { kTell, kAsk, kAnswer, kFailure };

struct Envelope {
  NodeId to;
  ActorId to_actor{};
  NodeId from;
  ActorId from_actor{};
  EnvelopeKind kind = EnvelopeKind::kTell;
  std::uint64_t correlation = 0;
  std::uint64_t type = 0;  // capnp::typeId of the body's struct.
};

// Builds a frame; `write_body` fills the message's body. Our own messages only: they cannot fail,
// but a frame over kMaxFrameBytes is refused by whoever sends it.
Frame BuildFrame(const Envelope& envelope,
                 absl::FunctionRef<void(capnp::AnyPointer::Builder)> write_body);

// Makes `frame` readable by every version of Rondo: protocol version 0, fingerprint 0. For the few
// messages by which two sides find out that they do not fit (schema/membership.capnp).
Frame AsHandshake(Frame frame);

enum class FrameFault { kNone, kSize, kMagic, kVersion, kSchema, kChecksum };

// Checks the fixed header and the checksum of `bytes` (any alignment); cheap checks come first.
FrameFault CheckFrame(const void* data, std::size_t bytes);

// A checked frame, opened for reading. Borrows the frame's words.
class FrameReader {
 public:
  // kInvalidArgument: no Envelope, trailing words, a wild pointer.
  static absl::StatusOr<std::unique_ptr<FrameReader>> Open(const Frame& frame);

  const Envelope& envelope() const { return envelope_; }

  // Runs `read` on the body; kj exceptions (any getter may throw: validation is lazy) become
  // kInvalidArgument.
  absl::Status ReadBody(absl::FunctionRef<absl::Status(capnp::AnyPointer::Reader)> read) const;

 private:
  explicit FrameReader(const Frame& frame);

  // Reading counts against its traversal limit.
  mutable capnp::FlatArrayMessageReader reader_;
  Envelope envelope_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_FRAME_H_
