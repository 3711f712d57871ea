// What a byte on the wire was for. Counted once, at its sender, where it leaves the process.
#ifndef RONDO_RUNTIME_NET_TRAFFIC_H_
#define RONDO_RUNTIME_NET_TRAFFIC_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace runtime {

enum class Traffic : std::uint8_t {
  kControl,     // Membership of a view, heartbeats, PREPARE..COMMIT, status: all that is not below.
  kState,       // Local states, worker -> monitor.
  kDecision,    // Decisions, monitor -> workers.
  kRing,        // Chunks and credits of a synchronization, worker -> worker.
  kEvaluation,  // Chunks and credits of an evaluation of the mean, which is never committed.
  kJoin,        // What a node costs to join: handshake, model transfer.
  kCheckpoint,  // Models read by the head.
};
inline constexpr std::size_t kTrafficKinds = 7;

// Bytes by kind: payload, our headers and ZMTP's framing, without TCP/IP's.
struct Ledger {
  std::array<std::uint64_t, kTrafficKinds> bytes{};

  void Add(Traffic kind, std::uint64_t count) { bytes[static_cast<std::size_t>(kind)] += count; }
  std::uint64_t Of(Traffic kind) const { return bytes[static_cast<std::size_t>(kind)]; }
  std::uint64_t Total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : bytes) total += count;
    return total;
  }
  Ledger& operator+=(const Ledger& other) {
    for (std::size_t i = 0; i < kTrafficKinds; ++i) bytes[i] += other.bytes[i];
    return *this;
  }
};

// Why something that arrived was not used, or something to send did not leave.
struct Drops {
  std::uint64_t handshake = 0;  // Spoke before it was welcomed, or was refused.
  std::uint64_t frame = 0;      // Not a frame of ours: size, magic, version, schema.
  std::uint64_t checksum = 0;
  std::uint64_t fence = 0;   // Stale: an older attempt, round, view or run.
  std::uint64_t decode = 0;  // A frame of ours whose message breaks its schema's ranges.
  std::uint64_t actor = 0;   // No such actor, or it does not accept such a message.
  std::uint64_t full = 0;    // The data lane of a mailbox, or an outbox, was at its bound.
  std::uint64_t route = 0;   // For a node that is gone, has stopped, or is out of reach.

  Drops& operator+=(const Drops& other) {
    handshake += other.handshake;
    frame += other.frame;
    checksum += other.checksum;
    fence += other.fence;
    decode += other.decode;
    actor += other.actor;
    full += other.full;
    route += other.route;
    return *this;
  }
  // `other` is what these counters were before.
  Drops& operator-=(const Drops& other) {
    handshake -= other.handshake;
    frame -= other.frame;
    checksum -= other.checksum;
    fence -= other.fence;
    decode -= other.decode;
    actor -= other.actor;
    full -= other.full;
    route -= other.route;
    return *this;
  }
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_TRAFFIC_H_
