// What a router does for a host behind it (NAT): connections that the host opens go out under the
// router's address, and only what belongs to them comes in. IPv4; TCP, ports kept. Pure.
#ifndef RONDO_TESTS_TOOLS_ADDRESS_TRANSLATION_H_
#define RONDO_TESTS_TOOLS_ADDRESS_TRANSLATION_H_

#include <cstdint>
#include <set>
#include <span>
#include <utility>

namespace tests {

class AddressTranslation {
 public:
  // Addresses in host byte order.
  AddressTranslation(std::uint32_t inside, std::uint32_t outside)
      : inside_(inside), outside_(outside) {}

  // False: the packet goes no further. Else its addresses are rewritten, checksums too.
  bool Outgoing(std::span<unsigned char> packet);
  bool Incoming(std::span<unsigned char> packet) const;

 private:
  struct Connection {
    std::uint32_t peer;
    std::uint16_t peer_port;
    std::uint16_t port;
    auto operator<=>(const Connection&) const = default;
  };

  const std::uint32_t inside_;
  const std::uint32_t outside_;
  std::set<Connection> opened_;  // From inside; one that ended is kept, a port is not used again.
};

}  // namespace tests

#endif  // RONDO_TESTS_TOOLS_ADDRESS_TRANSLATION_H_
