// A base on the head's disk, for the case that no worker is left to hold it (protocol.md 9).
//
// File: one line of JSON (format, round, step, layout hash, floats, root), then the floats as they
// are in memory, little-endian. Written whole or not at all; read only if its root holds.
#ifndef RONDO_ACTORS_CHECKPOINT_H_
#define RONDO_ACTORS_CHECKPOINT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/hash.h"
#include "runtime/base/ids.h"

namespace actors {

struct Checkpoint {
  runtime::RoundId round{0};
  std::uint64_t step = 0;
  std::uint64_t layout_hash = 0;
  runtime::Hash128 root;
  std::shared_ptr<runtime::AlignedBuffer> floats;
};

// Any thread. CHECKPOINT_FAILED, exit 1: the disk; an older file of that name stays as it is.
absl::Status SaveCheckpoint(const Checkpoint& checkpoint, const std::string& path);
// CHECKPOINT_UNREADABLE, exit 8: no such file, none of ours, a later format, torn, damaged.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path);

}  // namespace actors

#endif  // RONDO_ACTORS_CHECKPOINT_H_
