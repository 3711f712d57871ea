// What two transports tell each other, invisible to the layer above. Four words:
//   word 0   magic "RNDN", protocol version (16 bits), kind (16 bits)
//   word 1   fingerprint of the sender's schema files
//   word 2   value, as the kind says
//   word 3   XXH3-64 of words 0 to 2
// Shorter than any frame, and of the same form in every version of the protocol, so that two
// versions can tell each other that they do not fit.
#ifndef RONDO_RUNTIME_NET_NOTE_H_
#define RONDO_RUNTIME_NET_NOTE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/net/frame.h"

namespace runtime {

enum class NoteKind : std::uint16_t {
  kHello = 1,    // Connecting -> listening side, on every new connection.
  kPresent = 2,  // The answer to it.
  kWelcome = 3,  // Listening -> connecting side: value = TCP port of the broadcasts; 0 with ipc.
  kCutOff = 4,   // Listening -> connecting side: go away, do not come back.
};

struct Note {
  NoteKind kind = NoteKind::kHello;
  std::uint16_t version = kProtocolVersion;
  std::uint64_t fingerprint = SchemaFingerprint();
  std::uint64_t value = 0;

  bool Fits() const { return version == kProtocolVersion && fingerprint == SchemaFingerprint(); }
};

inline constexpr std::size_t kNoteBytes = 4 * sizeof(std::uint64_t);

std::array<std::uint64_t, 4> EncodeNote(const Note& note);
// Nothing if `bytes` (any alignment) are no note, or damaged. Kinds of later versions come through.
std::optional<Note> DecodeNote(std::span<const std::byte> bytes);

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_NOTE_H_
