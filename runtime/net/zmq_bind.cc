#include "runtime/net/zmq_bind.h"

#include <absl/strings/str_cat.h>
#include <zmq.h>

#include <cerrno>
#include <string>

#include "runtime/base/error.h"
#include "runtime/net/zmq_handles.h"

namespace runtime {
namespace {

// A head that starts is connected to by all its nodes at once.
constexpr int kBacklog = 512;

absl::Status BindError(const Address& address, int error) {
  const std::string where = address.ToString();
  if (error == EADDRINUSE) {
    return MakeError("ADDRESS_IN_USE", Exit::kUsage, absl::StrCat(where, " is already in use"),
                     "another head may be running there; choose another port");
  }
  if (error == EADDRNOTAVAIL || error == ENODEV) {
    return MakeError("ADDRESS_NOT_LOCAL", Exit::kUsage,
                     absl::StrCat("cannot listen at ", where, ": that is no address of this host"),
                     "listen at an address of this host, or at 0.0.0.0");
  }
  return MakeError("CANNOT_LISTEN", Exit::kUsage,
                   absl::StrCat("cannot listen at ", where, ": ", zmq_strerror(error)));
}

// 0 or errno.
int Bind(void* socket, Address& address) {
  std::string endpoint = address.ToString();
  const bool ephemeral = address.scheme == Address::Scheme::kTcp && address.port == 0;
  if (ephemeral) endpoint.back() = '*';  // As libzmq spells it.
  SetOption(socket, ZMQ_BACKLOG, kBacklog);
  if (zmq_bind(socket, endpoint.c_str()) != 0) return zmq_errno();
  if (ephemeral) {
    const std::string chosen = LastEndpoint(socket);
    address.port = static_cast<std::uint16_t>(std::stoi(chosen.substr(chosen.rfind(':') + 1)));
  }
  return 0;
}

}  // namespace

absl::Status BindSocket(void* socket, Address& address) {
  const int error = Bind(socket, address);
  return error == 0 ? absl::OkStatus() : BindError(address, error);
}

absl::Status BindSocketWithin(void* socket, PortRange range, Address& address) {
  for (int port = range.first; port <= range.last; ++port) {
    address.port = static_cast<std::uint16_t>(port);
    const int error = Bind(socket, address);
    if (error == 0) return absl::OkStatus();
    if (error != EADDRINUSE) return BindError(address, error);
  }
  return MakeError("PORT_RANGE_EXHAUSTED", Exit::kUsage,
                   absl::StrCat("no port from ", range.first, " to ", range.last, " is free"),
                   "give a wider --port-range");
}

}  // namespace runtime
