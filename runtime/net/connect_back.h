// Whether a node can be reached where it says that it listens: plain TCP attempts, all at once.
#ifndef RONDO_RUNTIME_NET_CONNECT_BACK_H_
#define RONDO_RUNTIME_NET_CONNECT_BACK_H_

#include <absl/status/status.h>

#include <span>
#include <string>
#include <vector>

#include "runtime/base/clock.h"

namespace runtime {

// Connects to each of `addresses` ("tcp://host:port") and hangs up. One status for each: OK, or
// kUnavailable with the reason in words. Blocks for `patience` at most, and as long as the resolver
// takes where a host has a name: not on a thread that others wait for.
std::vector<absl::Status> TryConnections(std::span<const std::string> addresses, Duration patience);

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_CONNECT_BACK_H_
