// The fence: which try of which round, in which membership, of which run a message belongs to.
//
// It stands on every PREPARE..COMMIT message and on every chunk. A receiver drops, and counts,
// whatever is older than its current fence; only the head moves it to a newer one. This one rule
// keeps the bytes of an aborted allreduce, or of another membership, out of the next one.
#ifndef RONDO_RUNTIME_GROUP_FENCE_H_
#define RONDO_RUNTIME_GROUP_FENCE_H_

#include <compare>
#include <cstdint>
#include <string>

#include "runtime/base/ids.h"

namespace runtime {

struct Fence {
  std::uint64_t run = 0;         // Random number of the run; fences of other runs never compare.
  std::uint32_t head_epoch = 0;  // Rises with each start of the head, from 1.
  ViewId view{0};
  RoundId round{0};
  std::uint32_t attempt = 0;  // Rises with each PREPARE, never repeats within a head_epoch.
                              // Reports and decisions carry 0.

  auto operator<=>(const Fence&) const = default;
  // "epoch.view.round.attempt", for logs.
  std::string ToString() const {
    return std::to_string(head_epoch) + "." + std::to_string(Number(view)) + "." +
           std::to_string(Number(round)) + "." + std::to_string(attempt);
  }
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_GROUP_FENCE_H_
