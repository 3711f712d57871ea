#include "tests/tools/address_translation.h"

#include <cstddef>

namespace tests {
namespace {

constexpr std::size_t kProtocol = 9, kIpChecksum = 10, kSource = 12, kDestination = 16;
constexpr std::size_t kTcpChecksum = 16;  // From the start of the TCP header.
constexpr unsigned char kTcp = 6;

std::uint16_t Read16(std::span<const unsigned char> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
std::uint32_t Read32(std::span<const unsigned char> bytes, std::size_t at) {
  return std::uint32_t{Read16(bytes, at)} << 16 | Read16(bytes, at + 2);
}
void Write16(std::span<unsigned char> bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<unsigned char>(value >> 8);
  bytes[at + 1] = static_cast<unsigned char>(value);
}

// A checksum after one 16-bit word under it has changed (RFC 1624, equation 3).
void Mend(std::span<unsigned char> packet, std::size_t at, std::uint32_t before,
          std::uint32_t after) {
  std::uint32_t sum = (~Read16(packet, at) & 0xffffU) + (~before & 0xffffU) + after;
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  Write16(packet, at, ~sum);
}

// Where the TCP header begins; 0: this is no whole TCP packet.
std::size_t TcpOf(std::span<const unsigned char> packet) {
  if (packet.size() < 20 || packet[kProtocol] != kTcp) return 0;
  const std::size_t begin = std::size_t{4} * (packet[0] & 0xfU);
  return packet.size() >= begin + 20 ? begin : 0;
}

void Rewrite(std::span<unsigned char> packet, std::size_t tcp, std::size_t at,
             std::uint32_t address) {
  for (const std::size_t word : {std::size_t{0}, std::size_t{2}}) {
    const std::uint32_t before = Read16(packet, at + word);
    const std::uint32_t after = (word == 0 ? address >> 16 : address) & 0xffffU;
    Write16(packet, at + word, after);
    Mend(packet, kIpChecksum, before, after);
    Mend(packet, tcp + kTcpChecksum, before, after);  // Its pseudo-header holds the addresses.
  }
}

}  // namespace

bool AddressTranslation::Outgoing(std::span<unsigned char> packet) {
  const std::size_t tcp = TcpOf(packet);
  if (tcp == 0 || Read32(packet, kSource) != inside_) return false;
  opened_.insert({.peer = Read32(packet, kDestination),
                  .peer_port = Read16(packet, tcp + 2),
                  .port = Read16(packet, tcp)});
  Rewrite(packet, tcp, kSource, outside_);
  return true;
}

bool AddressTranslation::Incoming(std::span<unsigned char> packet) const {
  const std::size_t tcp = TcpOf(packet);
  if (tcp == 0 || Read32(packet, kDestination) != outside_) return false;
  const Connection connection = {.peer = Read32(packet, kSource),
                                 .peer_port = Read16(packet, tcp),
                                 .port = Read16(packet, tcp + 2)};
  if (!opened_.contains(connection)) return false;
  Rewrite(packet, tcp, kDestination, inside_);
  return true;
}

}  // namespace tests
