#include "runtime/net/address.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

constexpr std::size_t kMaxHostName = 253;  // RFC 1035.
constexpr std::size_t kMaxHostLabel = 63;
constexpr std::size_t kMaxIpcName = 80;  // sun_path has 108 bytes; suffixes must fit behind it.

enum class Use { kListen, kConnect };

// Bytes that are not printable ASCII would garble the terminal, so they are shown as '?'.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 100)) quoted += c >= ' ' && c <= '~' ? c : '?';
  return quoted + "\"";
}

absl::Status Invalid(std::string_view text, std::string_view why) {
  return MakeError("INVALID_ADDRESS", Exit::kUsage,
                   absl::StrCat(Quoted(text), " is not an address: ", std::string(why)),
                   "write HOST:PORT, [IPV6]:PORT or ipc://@NAME");
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

bool IsIpv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}
bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// RFC 1123 names, and underscores, which container networks use.
std::optional<std::string> WhyNotHostName(std::string_view host) {
  if (host.empty()) return "the host is missing";
  if (host.size() > kMaxHostName) return "the host name is too long";
  std::size_t label = 0;
  bool label_is_number = true;
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (host[i] == '.') {
      if (label == 0) return "the host name has an empty label";
      if (i + 1 == host.size()) break;
      label = 0;
      label_is_number = true;
      continue;
    }
    if (!IsNameCharacter(host[i])) return "the host has a character that no host name has";
    if (host[i] == '-' && label == 0) return "a label of the host name begins with '-'";
    label_is_number = label_is_number && IsDigit(host[i]);
    if (++label > kMaxHostLabel) return "a label of the host name is too long";
  }
  // Resolvers take "1.2" and "256" for numbers in old notations.
  if (label_is_number && !IsIpv4(std::string(host))) return "that is no IPv4 address";
  return std::nullopt;
}

std::optional<std::uint16_t> ParsePort(std::string_view digits) {
  std::uint32_t port = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (digits.empty() || error != std::errc() || stop != end || port > 65535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

absl::StatusOr<Address> ParseIpc(std::string_view text, std::string_view name) {
  if (name.empty() || name.front() != '@') {
    return Invalid(text, "only abstract ipc names, which begin with '@', are used");
  }
  name.remove_prefix(1);
  const auto allowed = [](char c) { return IsNameCharacter(c) || c == '.'; };
  if (name.empty() || name.size() > kMaxIpcName ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    return Invalid(text, "an ipc name has 1 to 80 letters, digits, '-', '_' or '.'");
  }
  return Address{.scheme = Address::Scheme::kIpc, .host = std::string(name)};
}

struct HostAndPort {
  std::string_view host;
  std::string_view port;
  bool bracketed = false;
};

absl::StatusOr<HostAndPort> Split(std::string_view text, std::string_view rest) {
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t close = rest.find(']');
    if (close == rest.npos) return Invalid(text, "']' is missing");
    if (close + 1 >= rest.size() || rest[close + 1] != ':')
      return Invalid(text, "the port is missing");
    return HostAndPort{rest.substr(1, close - 1), rest.substr(close + 2), true};
  }
  const std::size_t colon = rest.find(':');
  if (colon == rest.npos) return Invalid(text, "the port is missing");
  if (rest.find(':', colon + 1) != rest.npos) {
    return Invalid(text, "an IPv6 address stands in brackets, as in [::1]:7777");
  }
  return HostAndPort{rest.substr(0, colon), rest.substr(colon + 1), false};
}

absl::StatusOr<Address> Parse(std::string_view text, Use use) {
  std::string_view rest = text;
  const std::size_t separator = text.find("://");
  if (separator != text.npos) {
    const std::string_view scheme = text.substr(0, separator);
    rest = text.substr(separator + 3);
    if (scheme == "ipc") return ParseIpc(text, rest);
    if (scheme != "tcp") return Invalid(text, "the scheme must be tcp or ipc");
  }
  ASSIGN_OR_RETURN(const HostAndPort parts, Split(text, rest));
  Address address{.host = std::string(parts.host)};
  if (parts.bracketed) {
    if (!IsIpv6(address.host)) return Invalid(text, "what is in the brackets is no IPv6 address");
  } else if (const std::optional<std::string> why = WhyNotHostName(parts.host)) {
    return Invalid(text, *why);
  }
  const std::optional<std::uint16_t> port = ParsePort(parts.port);
  if (!port.has_value()) return Invalid(text, "the port must be a number from 0 to 65535");
  address.port = *port;
  if (use == Use::kConnect && address.port == 0)
    return Invalid(text, "port 0 cannot be connected to");
  if (use == Use::kConnect && address.IsWildcard()) {
    return Invalid(text, "a wildcard says where to listen, not whom to connect to");
  }
  return address;
}

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<AddressList> Resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return MakeError("HOST_UNKNOWN", Exit::kHeadUnreachable,
                     absl::StrCat("cannot resolve ", Quoted(host), ": ", gai_strerror(error)),
                     "check the name, or give the address in numbers");
  }
  return AddressList(found, freeaddrinfo);
}

std::string Numeric(const sockaddr* address, socklen_t length) {
  std::array<char, NI_MAXHOST> text{};
  if (getnameinfo(address, length, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
    return "";
  }
  return text.data();
}

}  // namespace

bool Address::IsIpv6() const { return scheme == Scheme::kTcp && absl::StrContains(host, ':'); }

bool Address::IsWildcard() const {
  if (scheme != Scheme::kTcp) return false;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return v4.s_addr == INADDR_ANY;
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
}

bool Address::IsLoopback() const {
  if (scheme == Scheme::kIpc || host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Address::ToString() const {
  if (scheme == Scheme::kIpc) return absl::StrCat("ipc://@", host);
  if (IsIpv6()) return absl::StrCat("tcp://[", host, "]:", port);
  return absl::StrCat("tcp://", host, ":", port);
}

absl::StatusOr<Address> ParseListenAddress(std::string_view text) {
  return Parse(text, Use::kListen);
}

absl::StatusOr<Address> ParseConnectAddress(std::string_view text) {
  return Parse(text, Use::kConnect);
}

absl::StatusOr<std::string> ParseHost(std::string_view text) {
  Address address{.host = std::string(text)};
  if (!IsIpv6(address.host)) {
    if (const std::optional<std::string> why = WhyNotHostName(text)) return Invalid(text, *why);
  }
  if (address.IsWildcard()) return Invalid(text, "a wildcard cannot be advertised");
  return address.host;
}

absl::StatusOr<PortRange> ParsePortRange(std::string_view text) {
  const absl::Status invalid = MakeError("INVALID_PORT_RANGE", Exit::kUsage,
                                         absl::StrCat(Quoted(text), " is not a range of ports"),
                                         "write FIRST-LAST, as in 7800-7899");
  const std::size_t dash = text.find('-');
  if (dash == text.npos) return invalid;
  const std::optional<std::uint16_t> first = ParsePort(text.substr(0, dash));
  const std::optional<std::uint16_t> last = ParsePort(text.substr(dash + 1));
  if (!first.has_value() || !last.has_value() || *first == 0 || *last < *first) return invalid;
  return PortRange{*first, *last};
}

absl::StatusOr<std::vector<std::string>> ResolveHost(const std::string& host) {
  ASSIGN_OR_RETURN(const AddressList found, Resolve(host));
  std::vector<std::string> addresses;
  for (const addrinfo* entry = found.get(); entry != nullptr; entry = entry->ai_next) {
    std::string numeric = Numeric(entry->ai_addr, entry->ai_addrlen);
    if (numeric.empty()) continue;
    if (std::find(addresses.begin(), addresses.end(), numeric) == addresses.end()) {
      addresses.push_back(std::move(numeric));
    }
  }
  return addresses;
}

absl::StatusOr<std::string> LocalAddressTowards(const Address& remote) {
  if (remote.scheme == Address::Scheme::kIpc) return std::string("127.0.0.1");
  ASSIGN_OR_RETURN(const AddressList found, Resolve(remote.host));
  for (const addrinfo* entry = found.get(); entry != nullptr; entry = entry->ai_next) {
    const int socket_fd = socket(entry->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) continue;
    // Connecting a datagram socket only chooses a route; the port does not matter, but not 0.
    sockaddr_storage target{};
    std::memcpy(&target, entry->ai_addr, entry->ai_addrlen);
    const in_port_t port = htons(remote.port == 0 ? 9 : remote.port);
    if (entry->ai_family == AF_INET) reinterpret_cast<sockaddr_in&>(target).sin_port = port;
    if (entry->ai_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(target).sin6_port = port;
    sockaddr_storage local{};
    socklen_t length = sizeof(local);
    const bool routed =
        connect(socket_fd, reinterpret_cast<sockaddr*>(&target), entry->ai_addrlen) == 0 &&
        getsockname(socket_fd, reinterpret_cast<sockaddr*>(&local), &length) == 0;
    close(socket_fd);
    if (routed) return Numeric(reinterpret_cast<sockaddr*>(&local), length);
  }
  return MakeError("NO_ROUTE", Exit::kHeadUnreachable,
                   absl::StrCat("this host has no route to ", Quoted(remote.host)),
                   "check the network, or give --advertise");
}

absl::StatusOr<std::string> HostKey() {
  std::ifstream boot_file("/proc/sys/kernel/random/boot_id");
  std::string boot_id;
  struct stat network_namespace;
  if (!std::getline(boot_file, boot_id) || stat("/proc/self/ns/net", &network_namespace) != 0) {
    return absl::InternalError("cannot read the boot id or the network namespace from /proc");
  }
  return absl::StrCat(boot_id, "/", network_namespace.st_dev, ":", network_namespace.st_ino);
}

}  // namespace runtime
