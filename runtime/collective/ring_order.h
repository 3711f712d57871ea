// In which order members form a ring, and which end of an edge opens its connection, where not
// everybody can be reached (protocol.md 8). Pure functions; any thread.
//
// Whoever nobody can connect to shows no tcp address. It can still open connections itself, so that
// it fits between two members that can be reached; and members of one host reach each other by ipc.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_ORDER_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_ORDER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/collective/ring.h"

namespace runtime {

// Where `from` connects to reach `to`; empty: there is no such way.
std::string AddressTowards(const RingEndpoint& from, const RingEndpoint& to,
                           RingTransport transport);

// Who opens the connection of the edge from `previous` to `next`, on which chunks go one way and
// credits the other: the previous one, wherever it can. All members find the same.
enum class EdgeOpener {
  kPrevious,
  kNext,
  kNobody,
};
EdgeOpener OpenerOf(const RingEndpoint& previous, const RingEndpoint& next,
                    RingTransport transport);

// Whether `order`, a permutation of the members' numbers, is a ring: each edge, also that from the
// last to the first, has an opener. One member alone is one.
bool IsRing(std::span<const std::uint32_t> order, std::span<const RingEndpoint> members,
            RingTransport transport);

// The first ring in lexicographic order, which is 0, 1, 2 and so on wherever that is one. None: two
// that nobody can connect to would be neighbours in any order.
std::optional<std::vector<std::uint32_t>> OrderRing(std::span<const RingEndpoint> members,
                                                    RingTransport transport);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_ORDER_H_
