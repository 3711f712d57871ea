#include "tests/tools/net_emulator.h"

#include <absl/functional/function_ref.h>
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/require.h"

namespace tests {
namespace {

using runtime::Duration;
using runtime::MutexLock;
using runtime::Time;

constexpr std::size_t kMostHosts = 64;
constexpr std::size_t kPacketBytes = 65536;
constexpr std::size_t kPacketsAtOnce = 64;
// Of one way; where no rate bounds its queue.
constexpr std::size_t kQueuedPackets = 20'000;
// Packets that a device holds for us, and we for it, while the other side is not on the processor.
constexpr int kDeviceQueue = 4000;
constexpr std::size_t kIpv4Header = 20, kDestination = 16;
constexpr Duration kIdle = std::chrono::milliseconds(500);

Time Now() { return std::chrono::steady_clock::now(); }

absl::Status Failed(const char* what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

int OpenNamespace() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

sockaddr Ipv4(const std::string& host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  sockaddr bytes;
  std::memcpy(&bytes, &address, sizeof(bytes));
  return bytes;
}

// One setting of the interface `name` in the namespace of the calling thread.
absl::Status Set(const char* name, unsigned long request, absl::FunctionRef<void(ifreq&)> fill) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq interface {};
  std::strncpy(interface.ifr_name, name, IFNAMSIZ - 1);
  fill(interface);
  const bool done = fd >= 0 && ioctl(fd, request, &interface) == 0;
  const absl::Status status = done ? absl::OkStatus() : Failed(name);
  if (fd >= 0) close(fd);
  return status;
}

absl::Status SetUp(const char* name) {
  return Set(name, SIOCSIFFLAGS,
             [](ifreq& interface) { interface.ifr_flags = IFF_UP | IFF_RUNNING; });
}

}  // namespace

// ------------------------------------------------------------------------------------- hosts ----

// Hosts are in one subnet, their routers in another, each at the number of its host.
std::string NetEmulator::AddressOf(std::size_t host) { return absl::StrCat("10.77.0.", host + 1); }
std::string NetEmulator::RouterOf(std::size_t host) { return absl::StrCat("10.77.1.", host + 1); }

absl::Status NetEmulator::OpenHost(std::size_t host, Device& device) {
  constexpr char kName[] = "rondo0";
  if (unshare(CLONE_NEWNET) != 0) return Failed("unshare");
  device.space = OpenNamespace();
  device.tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device.space < 0 || device.tun < 0) return Failed("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, kName, IFNAMSIZ - 1);
  if (ioctl(device.tun, TUNSETIFF, &request) != 0) return Failed("TUNSETIFF");
  const std::string address = AddressOf(host);
  absl::Status status = Set(kName, SIOCSIFADDR, [&](ifreq& r) { r.ifr_addr = Ipv4(address); });
  status.Update(Set(kName, SIOCSIFNETMASK, [](ifreq& r) { r.ifr_netmask = Ipv4("255.255.0.0"); }));
  status.Update(Set(kName, SIOCSIFTXQLEN, [](ifreq& r) { r.ifr_qlen = kDeviceQueue; }));
  status.Update(SetUp(kName));
  status.Update(SetUp("lo"));
  return status;
}

absl::Status NetEmulator::Check() {
  if (geteuid() != 0) return absl::PermissionDeniedError("not root");
  return Start(1, {}).status();
}

absl::StatusOr<std::unique_ptr<NetEmulator>> NetEmulator::Start(std::size_t hosts, const Way& way) {
  REQUIRE(hosts >= 1 && hosts <= kMostHosts);
  std::unique_ptr<NetEmulator> network(new NetEmulator(hosts));
  absl::Status status;
  for (std::size_t host = 0; host < hosts; ++host) {
    std::thread([&] { status.Update(OpenHost(host, network->devices_[host])); }).join();
  }
  if (!status.ok()) return status;
  {
    MutexLock lock(network->mutex_);
    network->edges_.resize(hosts * hosts);
    network->cards_.resize(hosts);
  }
  for (std::size_t from = 0; from < hosts; ++from) {
    for (std::size_t to = 0; to < hosts; ++to) network->SetWay(from, to, way);
  }
  network->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  network->thread_ = std::thread([self = network.get()] { self->Run(); });
  return network;
}

NetEmulator::NetEmulator(std::size_t hosts) : devices_(hosts) {}

NetEmulator::~NetEmulator() {
  if (thread_.joinable()) {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    eventfd_write(wake_, 1);
    thread_.join();
  }
  for (const Device& device : devices_) {
    if (device.tun >= 0) close(device.tun);
    if (device.space >= 0) close(device.space);
  }
  if (wake_ >= 0) close(wake_);
}

NetEmulator::Inside::Inside(const NetEmulator& network, std::size_t host)
    : before_(OpenNamespace()) {
  const int entered = setns(network.devices_[host].space, CLONE_NEWNET);
  REQUIRE(before_ >= 0 && entered == 0);
}

NetEmulator::Inside::~Inside() {
  const int left = setns(before_, CLONE_NEWNET);
  REQUIRE(left == 0);
  close(before_);
}

// -------------------------------------------------------------------------------------- ways ----

void NetEmulator::SetWay(std::size_t from, std::size_t to, const Way& way) {
  MutexLock lock(mutex_);
  Edge& edge = EdgeOf(from, to);
  edge.way = way;
  edge.pipe.bits_per_second = way.bits_per_second;
}

void NetEmulator::SetBlackHole(std::size_t from, std::size_t to, bool on) {
  MutexLock lock(mutex_);
  EdgeOf(from, to).way.black_hole = on;
}

void NetEmulator::SetCard(std::size_t host, double sends_bits_per_second,
                          double receives_bits_per_second) {
  MutexLock lock(mutex_);
  cards_[host].sends.bits_per_second = sends_bits_per_second;
  cards_[host].receives.bits_per_second = receives_bits_per_second;
}

void NetEmulator::SetBehindRouter(std::size_t host, bool on) {
  const auto number = [](const std::string& address) { return ntohl(inet_addr(address.c_str())); };
  MutexLock lock(mutex_);
  routers_.erase(host);
  if (!on) return;
  routers_.emplace(host, AddressTranslation(number(AddressOf(host)), number(RouterOf(host))));
}

NetEmulator::Counts NetEmulator::CountsOf(std::size_t from, std::size_t to) const {
  MutexLock lock(mutex_);
  return edges_[from * devices_.size() + to].counts;
}

// -------------------------------------------------------------------------------- forwarding ----

Time NetEmulator::Pipe::Passed(Time now, std::size_t bytes) const {
  if (bits_per_second <= 0) return now;
  const double seconds = 8 * static_cast<double>(bytes) / bits_per_second;
  return std::max(free_at, now) + runtime::FromSeconds(seconds);
}

void NetEmulator::Run() {
  std::vector<pollfd> waits = {{wake_, POLLIN, 0}};
  for (const Device& device : devices_) waits.push_back({device.tun, POLLIN, 0});
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
    }
    for (std::size_t host = 0; host < devices_.size(); ++host) {
      if ((waits[host + 1].revents & POLLIN) != 0) TakeFrom(host, Now());
    }
    const Time next = HandOver(Now());
    const auto wait = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::clamp(next - Now(), Duration::zero(), kIdle));
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(wait.count())};
    ppoll(waits.data(), waits.size(), &timeout, nullptr);
  }
}

void NetEmulator::TakeFrom(std::size_t host, Time now) {
  unsigned char packet[kPacketBytes];
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < kPacketsAtOnce; ++i) {
    const ssize_t bytes = read(devices_[host].tun, packet, sizeof(packet));
    if (bytes <= 0) return;
    Accept(host, {packet, static_cast<std::size_t>(bytes)}, now);
  }
}

bool NetEmulator::PassRouters(std::size_t from, std::size_t to, std::span<unsigned char> packet) {
  const auto out = routers_.find(from);
  if (out != routers_.end() && !out->second.Outgoing(packet)) return false;
  const auto in = routers_.find(to);
  const bool to_router = packet[kDestination + 2] == 1;
  return in == routers_.end() ? !to_router : in->second.Incoming(packet);
}

void NetEmulator::Accept(std::size_t from, std::span<unsigned char> packet, Time now) {
  const std::size_t bytes = packet.size();
  // IPv4 to one of us; a new interface also looks for IPv6 neighbours.
  if (bytes < kIpv4Header || packet[0] >> 4 != 4 || packet[kDestination] != 10) return;
  const std::size_t to = packet[kDestination + 3] - std::size_t{1};
  if (to >= devices_.size() || to == from) return;
  Edge& edge = EdgeOf(from, to);
  if (!PassRouters(from, to, packet)) {
    ++edge.counts.refused;
    return;
  }
  if (edge.way.black_hole) {
    ++edge.counts.swallowed;
    return;
  }
  if (std::uniform_real_distribution<>()(random_) < edge.way.loss) {
    ++edge.counts.lost;
    return;
  }
  Pipe& sends = cards_[from].sends;
  Pipe& receives = cards_[to].receives;
  const Time sent = sends.Passed(now, bytes);
  const Time passed = edge.pipe.Passed(sent, bytes);
  const Time received = receives.Passed(passed, bytes);
  if (received - now > kLongest || edge.queue.size() >= kQueuedPackets) {
    ++edge.counts.overflowed;
    return;
  }
  sends.free_at = sent;
  edge.pipe.free_at = passed;
  receives.free_at = received;
  edge.queue.push_back({.due = received + edge.way.delay, .bytes = {packet.begin(), packet.end()}});
}

Time NetEmulator::HandOver(Time now) {
  Time next = now + kIdle;
  MutexLock lock(mutex_);
  for (std::size_t from = 0; from < devices_.size(); ++from) {
    for (std::size_t to = 0; to < devices_.size(); ++to) {
      Edge& edge = EdgeOf(from, to);
      while (!edge.queue.empty() && edge.queue.front().due <= now) {
        const std::vector<unsigned char>& bytes = edge.queue.front().bytes;
        if (write(devices_[to].tun, bytes.data(), bytes.size()) < 0) {
          ++edge.counts.overflowed;
        } else {
          ++edge.counts.packets;
          edge.counts.bytes += bytes.size();
        }
        edge.queue.pop_front();
      }
      if (!edge.queue.empty()) next = std::min(next, edge.queue.front().due);
    }
  }
  return next;
}

}  // namespace tests
