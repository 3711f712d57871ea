// Where nodes listen and connect: parsed by us, because libzmq takes "tcp://256.1.1.1:99999"
// without a word. Pure functions, but for ResolveHost, LocalAddressTowards and HostKey at the end.
#ifndef RONDO_RUNTIME_NET_ADDRESS_H_
#define RONDO_RUNTIME_NET_ADDRESS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runtime {

struct Address {
  enum class Scheme : std::uint8_t { kTcp, kIpc };

  Scheme scheme = Scheme::kTcp;
  // tcp: a host name, an IPv4 address, or an IPv6 address without brackets.
  // ipc: an abstract name without its "@"; nothing on disk can be left behind.
  std::string host;
  std::uint16_t port = 0;  // tcp only. 0: an ephemeral port, to listen on.

  bool operator==(const Address&) const = default;

  bool IsIpv6() const;
  // 0.0.0.0 or ::, every interface of this host.
  bool IsWildcard() const;
  // Never leaves this host: ipc, 127.0.0.0/8, ::1, "localhost".
  bool IsLoopback() const;
  // "tcp://host:port", "tcp://[v6]:port" or "ipc://@name".
  std::string ToString() const;
};

// "host:port", "tcp://host:port", "tcp://[v6]:port", "[v6]:port" or "ipc://@name".
// INVALID_ADDRESS, exit 2. Listening accepts port 0 and wildcards; connecting accepts neither.
absl::StatusOr<Address> ParseListenAddress(std::string_view text);
absl::StatusOr<Address> ParseConnectAddress(std::string_view text);

// A host alone, as in --advertise: a name, an IPv4 or an IPv6 address, no wildcard.
absl::StatusOr<std::string> ParseHost(std::string_view text);

// "A-B", both included, 1 to 65535. INVALID_PORT_RANGE, exit 2.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  bool operator==(const PortRange&) const = default;
};
absl::StatusOr<PortRange> ParsePortRange(std::string_view text);

// The numeric addresses of `host`, each once. Blocks as long as the resolver does.
// HOST_UNKNOWN, exit 3.
absl::StatusOr<std::vector<std::string>> ResolveHost(const std::string& host);

// The numeric local address from which `remote` is reached: what to advertise to others by default.
// Sends nothing. HOST_UNKNOWN or NO_ROUTE, exit 3.
absl::StatusOr<std::string> LocalAddressTowards(const Address& remote);

// Equal for two processes if and only if ipc and shared memory work between them: boot id, and
// device and inode of the network namespace. INTERNAL if /proc cannot be read.
absl::StatusOr<std::string> HostKey();

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ADDRESS_H_
