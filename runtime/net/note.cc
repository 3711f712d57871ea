#include "runtime/net/note.h"

#include <cstring>

#include "runtime/base/hash.h"

namespace runtime {
namespace {

constexpr std::uint32_t kMagic = 0x4e444e52;  // "RNDN", read as little endian.
constexpr std::size_t kCheckedBytes = 3 * sizeof(std::uint64_t);

}  // namespace

std::array<std::uint64_t, 4> EncodeNote(const Note& note) {
  std::array<std::uint64_t, 4> words = {kMagic | static_cast<std::uint64_t>(note.version) << 32 |
                                            static_cast<std::uint64_t>(note.kind) << 48,
                                        note.fingerprint, note.value, 0};
  words[3] = HashBytes(words.data(), kCheckedBytes);
  return words;
}

std::optional<Note> DecodeNote(std::span<const std::byte> bytes) {
  if (bytes.size() != kNoteBytes) return std::nullopt;
  std::array<std::uint64_t, 4> words;
  std::memcpy(words.data(), bytes.data(), kNoteBytes);
  if (static_cast<std::uint32_t>(words[0]) != kMagic) return std::nullopt;
  if (words[3] != HashBytes(words.data(), kCheckedBytes)) return std::nullopt;
  return Note{.kind = static_cast<NoteKind>(words[0] >> 48),
              .version = static_cast<std::uint16_t>(words[0] >> 32),
              .fingerprint = words[1],
              .value = words[2]};
}

}  // namespace runtime
