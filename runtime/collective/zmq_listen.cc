#include "runtime/collective/zmq_listen.h"

#include <algorithm>

#include "runtime/net/address.h"
#include "runtime/net/zmq_bind.h"

namespace runtime {

absl::StatusOr<RingEndpoint> ListenForMembers(void* socket, const ListenOptions& options,
                                              const std::string& ipc_name) {
  Address tcp = {.host = options.host, .port = options.first_port};
  const PortRange range = {.first = options.first_port,
                           .last = std::max(options.first_port, options.last_port)};
  const absl::Status bound =
      range.first == 0 ? BindSocket(socket, tcp) : BindSocketWithin(socket, range, tcp);
  if (!bound.ok()) return absl::UnavailableError(bound.message());
  if (!options.advertised_host.empty()) tcp.host = options.advertised_host;
  Address ipc = {.scheme = Address::Scheme::kIpc, .host = ipc_name};
  const absl::Status local = BindSocket(socket, ipc);
  if (!local.ok()) return absl::UnavailableError(local.message());
  // Without a key this member is on a host of its own: the others use tcp.
  return RingEndpoint{
      .tcp = tcp.ToString(), .ipc = ipc.ToString(), .host_key = HostKey().value_or("")};
}

}  // namespace runtime
