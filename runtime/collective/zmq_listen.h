// Where the sockets of a member listen: TCP for other hosts, ipc for its own.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_LISTEN_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_LISTEN_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "runtime/collective/ring.h"

namespace runtime {

struct ListenOptions {
  std::string host = "127.0.0.1";  // Numeric address, or "*" for all.
  std::string advertised_host;     // What the others connect to; empty: host.
  std::uint16_t first_port = 0;    // Range to listen in; 0: the system chooses.
  std::uint16_t last_port = 0;
};

// Binds `socket` to both; `ipc_name` is an abstract name, which leaves nothing on disk behind. What
// the others are told. kUnavailable, with the reason in words.
absl::StatusOr<RingEndpoint> ListenForMembers(void* socket, const ListenOptions& options,
                                              const std::string& ipc_name);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_LISTEN_H_
