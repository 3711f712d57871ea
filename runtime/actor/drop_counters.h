// The counters of what a node dropped (runtime/net/traffic.h says what each means); any thread.
#ifndef RONDO_RUNTIME_ACTOR_DROP_COUNTERS_H_
#define RONDO_RUNTIME_ACTOR_DROP_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "runtime/net/traffic.h"

namespace runtime {

struct DropCounters {
  std::atomic<std::uint64_t> handshake{0};
  std::atomic<std::uint64_t> decode{0};
  std::atomic<std::uint64_t> actor{0};
  std::atomic<std::uint64_t> full{0};

  Drops Read() const {
    return {.handshake = handshake.load(),
            .decode = decode.load(),
            .actor = actor.load(),
            .full = full.load()};
  }
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_DROP_COUNTERS_H_
