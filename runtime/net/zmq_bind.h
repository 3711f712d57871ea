// Listening at an address, with errors for people.
#ifndef RONDO_RUNTIME_NET_ZMQ_BIND_H_
#define RONDO_RUNTIME_NET_ZMQ_BIND_H_

#include <absl/status/status.h>

#include "runtime/net/address.h"

namespace runtime {

// Port 0 becomes the one that the system chose. ADDRESS_IN_USE, ADDRESS_NOT_LOCAL, CANNOT_LISTEN
// (exit 2).
absl::Status BindSocket(void* socket, Address& address);
// The first free port of `range`. PORT_RANGE_EXHAUSTED too.
absl::Status BindSocketWithin(void* socket, PortRange range, Address& address);

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_BIND_H_
