#include "runtime/collective/ring_order.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <set>

#include "runtime/base/require.h"

namespace runtime {
namespace {

// For each member: "" if whoever can open connections reaches it, else the name of the host on
// which alone it is reached. Two members can be neighbours if one has "" or both have the same.
std::vector<std::string> HostsOfTheUnreachable(std::span<const RingEndpoint> members,
                                               RingTransport transport) {
  std::vector<std::string> hosts;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const RingEndpoint& member = members[i];
    if (transport != RingTransport::kIpc && !member.tcp.empty()) {
      hosts.emplace_back();
    } else if (transport != RingTransport::kTcp && !member.ipc.empty() &&
               !member.host_key.empty()) {
      hosts.push_back("host " + member.host_key);
    } else {
      hosts.push_back(absl::StrCat("member ", i));
    }
  }
  return hosts;
}

bool CanBeNeighbours(const std::string& host, const std::string& other) {
  return host.empty() || other.empty() || host == other;
}

// Whether those not yet placed fit between `last` and, where the ring closes, `first`. Of each host
// all who remain can stand together; between two hosts one who can be reached is needed.
bool CanBeClosed(const std::vector<std::string>& hosts, const std::vector<bool>& placed,
                 const std::string& first, const std::string& last) {
  std::size_t reachable = 0;
  std::set<std::string> groups;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (placed[i]) continue;
    hosts[i].empty() ? void(++reachable) : void(groups.insert(hosts[i]));
  }
  if (reachable == 0) {
    if (groups.empty()) return CanBeNeighbours(last, first);
    return groups.size() == 1 && CanBeNeighbours(last, *groups.begin()) &&
           CanBeNeighbours(*groups.begin(), first);
  }
  // One place between any two of the reachable, and one at either end for whoever fits there.
  groups.erase(first);
  groups.erase(last);
  const std::size_t ends = (first.empty() ? 1 : 0) + (last.empty() ? 1 : 0);
  return groups.size() <= reachable - 1 + ends;
}

}  // namespace

std::string AddressTowards(const RingEndpoint& from, const RingEndpoint& to,
                           RingTransport transport) {
  const bool same_host = !from.host_key.empty() && from.host_key == to.host_key;
  switch (transport) {
    case RingTransport::kAuto: return same_host && !to.ipc.empty() ? to.ipc : to.tcp;
    case RingTransport::kTcp: return to.tcp;
    case RingTransport::kIpc: return same_host ? to.ipc : "";
  }
  REQUIRE(false);
}

EdgeOpener OpenerOf(const RingEndpoint& previous, const RingEndpoint& next,
                    RingTransport transport) {
  if (!AddressTowards(previous, next, transport).empty()) return EdgeOpener::kPrevious;
  return AddressTowards(next, previous, transport).empty() ? EdgeOpener::kNobody
                                                           : EdgeOpener::kNext;
}

bool IsRing(std::span<const std::uint32_t> order, std::span<const RingEndpoint> members,
            RingTransport transport) {
  if (order.size() <= 1) return true;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const RingEndpoint& next = members[order[(i + 1) % order.size()]];
    if (OpenerOf(members[order[i]], next, transport) == EdgeOpener::kNobody) return false;
  }
  return true;
}

std::optional<std::vector<std::uint32_t>> OrderRing(std::span<const RingEndpoint> members,
                                                    RingTransport transport) {
  std::vector<std::uint32_t> order(members.size());
  std::iota(order.begin(), order.end(), 0);
  if (IsRing(order, members, transport)) return order;
  const std::vector<std::string> hosts = HostsOfTheUnreachable(members, transport);
  std::vector<bool> placed(members.size(), false);
  order = {0};
  placed[0] = true;
  // A ring can begin with any member; then the smallest that leaves a way to the end is taken.
  while (order.size() < members.size()) {
    const std::size_t before = order.size();
    for (std::uint32_t i = 0; i < members.size() && order.size() == before; ++i) {
      if (placed[i] || !CanBeNeighbours(hosts[order.back()], hosts[i])) continue;
      placed[i] = true;
      if (CanBeClosed(hosts, placed, hosts[0], hosts[i])) {
        order.push_back(i);
      } else {
        placed[i] = false;
      }
    }
    if (order.size() == before) return std::nullopt;
  }
  return order;
}

}  // namespace runtime
