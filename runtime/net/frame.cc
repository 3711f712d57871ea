#include "runtime/net/frame.h"

#include <capnp/common.h>
#include <kj/exception.h>

#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "runtime/base/hash.h"
#include "runtime/base/require.h"
#include "schema/envelope.capnp.h"
#include "schema/fingerprint.h"

namespace runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are read in place");
static_assert(sizeof(capnp::word) == sizeof(std::uint64_t));

constexpr std::uint32_t kMagic = 0x4f444e52;  // "RNDO", read as little endian.
constexpr std::uint64_t kFirstWord = kMagic | static_cast<std::uint64_t>(kProtocolVersion)
                                                  << 32;  // Reserved bits: 0.
constexpr std::size_t kChecksumWord = 3;
// A message is at least its segment table and its root pointer.
constexpr std::size_t kMinMessageWords = 2;

// Over the header's words before the checksum, and over the message.
std::uint64_t Checksum(const unsigned char* bytes, std::size_t size) {
  constexpr std::size_t kBefore = kChecksumWord * sizeof(std::uint64_t);
  constexpr std::size_t kAfter = kFrameHeaderWords * sizeof(std::uint64_t);
  const std::array<std::uint64_t, 2> parts = {HashBytes(bytes, kBefore),
                                              HashBytes(bytes + kAfter, size - kAfter)};
  return HashBytes(parts.data(), sizeof(parts));
}

std::uint64_t WordAt(const unsigned char* bytes, std::size_t index) {
  std::uint64_t word;
  std::memcpy(&word, bytes + index * sizeof(word), sizeof(word));
  return word;
}

kj::ArrayPtr<const capnp::word> MessageOf(const Frame& frame) {
  return {reinterpret_cast<const capnp::word*>(frame.data()) + kFrameHeaderWords,
          frame.size() - kFrameHeaderWords};
}

// Every message is decoded a few times at most; a wild pointer that points to the same words again
// and again ends here.
capnp::ReaderOptions BoundedBy(std::size_t words) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 16 * words + 1024;
  options.nestingLimit = 16;
  return options;
}

absl::Status Malformed(std::string_view why) {
  return absl::InvalidArgumentError("malformed message: " + std::string(why));
}

std::string Describe(const kj::Exception& exception) {
  const kj::StringPtr text = exception.getDescription();
  return std::string(text.begin(), text.end());
}

void FillHeader(Frame& frame, std::uint64_t first_word, std::uint64_t fingerprint) {
  frame[0] = first_word;
  frame[1] = fingerprint;
  frame[2] = frame.size() - kFrameHeaderWords;
  const auto* bytes = reinterpret_cast<const unsigned char*>(frame.data());
  frame[kChecksumWord] = Checksum(bytes, frame.size() * sizeof(std::uint64_t));
}

// The segment table of a message of one segment: (number of segments - 1, words of segment 0).
Frame FrameOf(kj::ArrayPtr<const capnp::word> segment) {
  Frame frame(kFrameHeaderWords + 1 + segment.size());
  frame[kFrameHeaderWords] = static_cast<std::uint64_t>(segment.size()) << 32;
  std::memcpy(frame.data() + kFrameHeaderWords + 1, segment.begin(),
              segment.size() * sizeof(std::uint64_t));
  FillHeader(frame, kFirstWord, SchemaFingerprint());
  return frame;
}

void WriteNode(schema::NodeId::Builder builder, const NodeId& node) {
  builder.setHigh(node.high);
  builder.setLow(node.low);
}

NodeId ReadNode(schema::NodeId::Reader reader) {
  return {.high = reader.getHigh(), .low = reader.getLow()};
}

}  // namespace

std::uint64_t SchemaFingerprint() {
  static const std::uint64_t fingerprint = [] {
    const std::array<std::uint64_t, 2> parts = {schema::kFilesHash, kProtocolVersion};
    return HashBytes(parts.data(), sizeof(parts));
  }();
  return fingerprint;
}

Frame BuildFrame(const Envelope& envelope,
                 absl::FunctionRef<void(capnp::AnyPointer::Builder)> write_body) {
  std::array<capnp::word, 512> scratch{};  // Most messages fit: no allocation but the frame's.
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch.data(), scratch.size()));
  auto root = message.initRoot<schema::Envelope>();
  WriteNode(root.initTo(), envelope.to);
  root.setToActor(Number(envelope.to_actor));
  WriteNode(root.initFrom(), envelope.from);
  root.setFromActor(Number(envelope.from_actor));
  root.setKind(static_cast<schema::Envelope::Kind>(envelope.kind));
  root.setCorrelation(envelope.correlation);
  root.setType(envelope.type);
  write_body(root.initBody());

  const auto segments = message.getSegmentsForOutput();
  if (segments.size() == 1) return FrameOf(segments[0]);
  const std::size_t words = root.totalSize().wordCount + 1;  // And the root pointer.
  capnp::MallocMessageBuilder whole(static_cast<kj::uint>(words));
  whole.setRoot(root.asReader());
  REQUIRE(whole.getSegmentsForOutput().size() == 1);
  return FrameOf(whole.getSegmentsForOutput()[0]);
}

Frame AsHandshake(Frame frame) {
  FillHeader(frame, kMagic, /*fingerprint=*/0);
  return frame;
}

FrameFault CheckFrame(const void* data, std::size_t bytes) {
  constexpr std::size_t kMinBytes = (kFrameHeaderWords + kMinMessageWords) * sizeof(std::uint64_t);
  if (bytes < kMinBytes || bytes > kMaxFrameBytes) return FrameFault::kSize;
  if (bytes % sizeof(std::uint64_t) != 0) return FrameFault::kSize;
  const auto* begin = static_cast<const unsigned char*>(data);
  const std::uint64_t first = WordAt(begin, 0);
  if (static_cast<std::uint32_t>(first) != kMagic) return FrameFault::kMagic;
  const bool handshake = first == kMagic;  // Version 0.
  if (!handshake && first != kFirstWord) return FrameFault::kVersion;
  if (WordAt(begin, 1) != (handshake ? 0 : SchemaFingerprint())) return FrameFault::kSchema;
  if (WordAt(begin, 2) != bytes / sizeof(std::uint64_t) - kFrameHeaderWords) {
    return FrameFault::kSize;
  }
  if (WordAt(begin, kChecksumWord) != Checksum(begin, bytes)) return FrameFault::kChecksum;
  return FrameFault::kNone;
}

FrameReader::FrameReader(const Frame& frame) : reader_(MessageOf(frame), BoundedBy(frame.size())) {}

absl::StatusOr<std::unique_ptr<FrameReader>> FrameReader::Open(const Frame& frame) {
  if (frame.size() < kFrameHeaderWords + kMinMessageWords) return Malformed("too short");
  // The low half of the segment table's first word is the number of segments less one.
  const std::uint64_t table = frame[kFrameHeaderWords];
  if (static_cast<std::uint32_t>(table) != 0) return Malformed("more than one segment");
  if (table >> 32 != frame.size() - kFrameHeaderWords - 1) {
    return Malformed("its length does not agree with its segment");
  }
  try {
    std::unique_ptr<FrameReader> reader(new FrameReader(frame));
    const auto root = reader->reader_.getRoot<schema::Envelope>();
    const auto kind = static_cast<std::uint16_t>(root.getKind());
    if (kind > static_cast<std::uint16_t>(EnvelopeKind::kFailure)) {
      return Malformed("unknown kind of envelope");
    }
    reader->envelope_ = {.to = ReadNode(root.getTo()),
                         .to_actor = static_cast<ActorId>(root.getToActor()),
                         .from = ReadNode(root.getFrom()),
                         .from_actor = static_cast<ActorId>(root.getFromActor()),
                         .kind = static_cast<EnvelopeKind>(kind),
                         .correlation = root.getCorrelation(),
                         .type = root.getType()};
    return reader;
  } catch (const kj::Exception& exception) {
    return Malformed(Describe(exception));
  }
}

absl::Status FrameReader::ReadBody(
    absl::FunctionRef<absl::Status(capnp::AnyPointer::Reader)> read) const {
  try {
    return read(reader_.getRoot<schema::Envelope>().getBody());
  } catch (const kj::Exception& exception) {
    return Malformed(Describe(exception));
  }
}

}  // namespace runtime
