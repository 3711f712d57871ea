#include "runtime/collective/sealed_message.h"

#include <capnp/any.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <exception>
#include <string>

#include "runtime/base/hash.h"
#include "runtime/base/require.h"

namespace runtime {
namespace {

constexpr std::size_t kPrefixWords = 2;

std::uint64_t FirstWord(const SealKind& kind, std::size_t message_words) {
  return kind.magic | std::uint64_t{kind.version} << 32 | std::uint64_t{message_words} << 48;
}

// Of word 0 and of the message, which lie on both sides of the checksum.
std::uint64_t Checksum(std::uint64_t first_word, const std::uint64_t* message, std::size_t words) {
  const std::uint64_t seeded[2] = {first_word, HashBytes(message, words * sizeof(std::uint64_t))};
  return HashBytes(seeded, sizeof(seeded));
}

absl::Status NotOfKind(const SealKind& kind, std::string_view why) {
  return absl::InvalidArgumentError("not a " + std::string(kind.name) + ": " + std::string(why));
}

// May throw: every getter checks lazily.
absl::Status Read(const SealKind& kind, std::span<const capnp::word> words,
                  absl::FunctionRef<absl::Status(capnp::MessageReader&)> read) {
  const kj::ArrayPtr<const capnp::word> segment(words.data(), words.size());
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = 4 * words.size();
  limits.nestingLimit = 4;
  capnp::SegmentArrayMessageReader reader(kj::arrayPtr(&segment, 1), limits);
  // The root pointer is not part of its own size; anything beyond is no message of ours.
  if (reader.getRoot<capnp::AnyPointer>().targetSize().wordCount + 1 != words.size()) {
    return NotOfKind(kind, "words that nothing points to");
  }
  return read(reader);
}

}  // namespace

std::span<const std::byte> MessageSealer::Seal(
    const SealKind& kind, absl::FunctionRef<void(capnp::MessageBuilder&)> write) {
  words_.fill(0);  // Cap'n Proto wants its first segment zeroed.
  std::uint64_t* const body = words_.data() + kPrefixWords;
  const kj::ArrayPtr<capnp::word> space(reinterpret_cast<capnp::word*>(body),
                                        words_.size() - kPrefixWords);
  capnp::FlatMessageBuilder builder(space);  // Throws if it does not fit, which is our bug.
  write(builder);
  const auto segments = builder.getSegmentsForOutput();
  REQUIRE(segments.size() == 1 && segments[0].begin() == space.begin());
  const std::size_t words = segments[0].size();
  words_[0] = FirstWord(kind, words);
  words_[1] = Checksum(words_[0], body, words);
  return std::as_bytes(std::span(words_).first(kPrefixWords + words));
}

absl::Status Unseal(const SealKind& kind, std::span<const std::byte> bytes,
                    absl::FunctionRef<absl::Status(capnp::MessageReader&)> read) {
  if (bytes.size() % sizeof(std::uint64_t) != 0 ||
      bytes.size() <= kPrefixWords * sizeof(std::uint64_t) || bytes.size() > kMaxSealedBytes) {
    return NotOfKind(kind, std::to_string(bytes.size()) + " bytes");
  }
  const std::size_t words = bytes.size() / sizeof(std::uint64_t);
  // ZeroMQ delivers small frames at any address; Cap'n Proto needs words.
  std::array<std::uint64_t, kMaxSealedBytes / 8> copy;
  const auto* frame = reinterpret_cast<const std::uint64_t*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % sizeof(std::uint64_t) != 0) {
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    frame = copy.data();
  }
  const std::uint64_t* const body = frame + kPrefixWords;
  if (frame[0] != FirstWord(kind, words - kPrefixWords)) {
    return NotOfKind(kind, "magic, version or size");
  }
  if (frame[1] != Checksum(frame[0], body, words - kPrefixWords)) {
    return NotOfKind(kind, "checksum");
  }
  try {
    return Read(kind, {reinterpret_cast<const capnp::word*>(body), words - kPrefixWords}, read);
  } catch (const kj::Exception& error) {
    return absl::InvalidArgumentError(error.getDescription().cStr());
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace runtime
