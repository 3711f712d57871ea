#include "tests/tools/tcp_proxy.h"

#include <absl/status/status.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace tests {
namespace {

using runtime::Duration;
using runtime::MutexLock;
using runtime::Time;

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kMaxWaitingBytes = 8 << 20;

Time Now() { return std::chrono::steady_clock::now(); }

sockaddr_in Ipv4(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool WouldBlock() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

absl::StatusOr<std::unique_ptr<TcpProxy>> TcpProxy::Start(const std::string& target_host,
                                                          std::uint16_t target_port) {
  return StartOn("127.0.0.1", target_host, target_port);
}

absl::StatusOr<std::unique_ptr<TcpProxy>> TcpProxy::StartMirror() {
  return StartOn("127.0.0.2", "127.0.0.1", std::nullopt);
}

absl::StatusOr<std::unique_ptr<TcpProxy>> TcpProxy::StartOn(
    const std::string& host, const std::string& target_host,
    std::optional<std::uint16_t> target_port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address = Ipv4(host, 0);
  socklen_t length = sizeof(address);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, 512) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return absl::UnavailableError(std::strerror(errno));
  }
  const std::uint16_t port = ntohs(address.sin_port);
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return std::unique_ptr<TcpProxy>(
      new TcpProxy(listener, wake, target_host, target_port.value_or(port), port));
}

TcpProxy::TcpProxy(int listener, int wake, std::string target_host, std::uint16_t target_port,
                   std::uint16_t port)
    : listener_(listener),
      wake_(wake),
      target_host_(std::move(target_host)),
      target_port_(target_port),
      port_(port),
      thread_([this] { Run(); }) {}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  Wake();
  thread_.join();
  for (Connection& connection : connections_) CloseConnection(connection, true);
  close(listener_);
  close(wake_);
}

void TcpProxy::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

void TcpProxy::SetDelay(Duration delay) {
  MutexLock lock(mutex_);
  delay_ = delay;
}

void TcpProxy::Cut() {
  {
    MutexLock lock(mutex_);
    cut_ = true;
  }
  Wake();
}

void TcpProxy::SetBlackHole(bool on) {
  {
    MutexLock lock(mutex_);
    black_hole_ = on;
  }
  Wake();
}

void TcpProxy::SetRefuse(bool on) {
  MutexLock lock(mutex_);
  refuse_ = on;
}

void TcpProxy::FlipOnce(const Flip& flip) {
  MutexLock lock(mutex_);
  flip_ = flip;
  large_parts_ = 0;
}

bool TcpProxy::flipped() const {
  MutexLock lock(mutex_);
  return !flip_.has_value();
}

std::vector<TcpProxy::Counts> TcpProxy::counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

std::uint64_t TcpProxy::TotalBytes() const {
  std::uint64_t total = 0;
  for (const Counts& count : counts()) total += count.to_target + count.to_client;
  return total;
}

void TcpProxy::Run() {
  while (!stopping_) {
    const Time now = Now();
    bool cut = false;
    {
      MutexLock lock(mutex_);
      cut = std::exchange(cut_, false);
    }
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (cut || !Serve(*it, now)) {
        CloseConnection(*it, cut);
        it = connections_.erase(it);
      } else {
        ++it;
      }
    }
    if (PollOnce(now) > 0) Accept();
  }
}

// Waits until something can be done; returns whether a connection waits to be accepted.
int TcpProxy::PollOnce(Time now) {
  bool black_hole = false;
  {
    MutexLock lock(mutex_);
    black_hole = black_hole_;
  }
  std::vector<pollfd> waits = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
  Duration wait = std::chrono::seconds(1);
  for (const Connection& connection : connections_) {
    if (black_hole) break;
    for (const Half* half : {&connection.to_target, &connection.to_client}) {
      if (!half->ended && half->waiting < kMaxWaitingBytes && !connection.target_connecting) {
        waits.push_back({half->from, POLLIN, 0});
      }
      if (half->pieces.empty()) continue;
      if (half->pieces.front().due > now) {
        wait = std::min(wait, half->pieces.front().due - now);
      } else {
        waits.push_back({half->to, POLLOUT, 0});
      }
    }
    if (connection.target_connecting) waits.push_back({connection.target, POLLOUT, 0});
  }
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  poll(waits.data(), waits.size(), static_cast<int>(milliseconds));
  if (waits[0].revents != 0) {
    std::uint64_t count;
    [[maybe_unused]] const ssize_t got = read(wake_, &count, sizeof(count));
  }
  return waits[1].revents;
}

void TcpProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  SendAtOnce(client);
  Connection connection{.client = client};
  bool refuse = false;
  {
    MutexLock lock(mutex_);
    refuse = refuse_;
    connection.index = counts_.size();
    counts_.push_back({.open = true});
  }
  connection.target = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  SendAtOnce(connection.target);
  const sockaddr_in address = Ipv4(target_host_, target_port_);
  const int failed =
      connect(connection.target, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  connection.target_connecting = failed != 0 && errno == EINPROGRESS;
  if (refuse || (failed != 0 && !connection.target_connecting)) {
    CloseConnection(connection, true);
    return;
  }
  connection.to_target = {.from = client, .to = connection.target};
  connection.to_client = {.from = connection.target, .to = client};
  connections_.push_back(std::move(connection));
}

// False when the connection is over.
bool TcpProxy::Serve(Connection& connection, Time now) {
  {
    MutexLock lock(mutex_);
    if (black_hole_) return true;
  }
  if (connection.target_connecting) {
    pollfd wait{connection.target, POLLOUT, 0};
    if (poll(&wait, 1, 0) == 0) return true;
    connection.target_connecting = false;
  }
  return Pump(connection, connection.to_target, Direction::kToTarget, now) &&
         Pump(connection, connection.to_client, Direction::kToClient, now) &&
         !(connection.to_target.ended && connection.to_client.ended);
}

bool TcpProxy::Pump(Connection& connection, Half& half, Direction direction, Time now) {
  std::array<char, kReadBytes> buffer;
  if (!half.ended && half.waiting < kMaxWaitingBytes) {
    const ssize_t got = recv(half.from, buffer.data(), buffer.size(), 0);
    if (got < 0 && !WouldBlock()) return false;
    half.ended = got == 0;
    if (got > 0) {
      std::string bytes(buffer.data(), static_cast<std::size_t>(got));
      MutexLock lock(mutex_);
      Harm(half, direction, bytes);
      half.waiting += bytes.size();
      half.pieces.push_back({now + delay_, std::move(bytes)});
    }
  }
  while (!half.pieces.empty() && half.pieces.front().due <= now) {
    std::string& bytes = half.pieces.front().bytes;
    const ssize_t sent = send(half.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return WouldBlock();
    half.waiting -= static_cast<std::size_t>(sent);
    {
      MutexLock lock(mutex_);
      Counts& counts = counts_[connection.index];
      (direction == Direction::kToTarget ? counts.to_target : counts.to_client) +=
          static_cast<std::uint64_t>(sent);
    }
    bytes.erase(0, static_cast<std::size_t>(sent));
    if (!bytes.empty()) return true;
    half.pieces.pop_front();
  }
  if (half.ended && half.pieces.empty()) shutdown(half.to, SHUT_WR);
  return true;
}

void TcpProxy::Harm(Half& half, Direction direction, std::string& bytes) {
  const bool here = flip_.has_value() && flip_->direction == direction;
  if (here && flip_->payload_bytes == 0 && flip_->offset >= half.passed &&
      flip_->offset < half.passed + bytes.size()) {
    bytes[flip_->offset - half.passed] ^= static_cast<char>(1 << flip_->bit);
    flip_.reset();
  }
  half.passed += bytes.size();
  // Parts are followed from the start, whether or not a flip is asked for yet.
  const std::optional<Flip> other = here ? std::nullopt : std::exchange(flip_, std::nullopt);
  ScanParts(half.scan, bytes);
  if (!here) flip_ = other;
}

// ZMTP 3: a greeting of 64 bytes, then per part a byte of flags (1: more, 2: long, 4: command), a
// length of 1 or 8 bytes, and the body.
void TcpProxy::ScanParts(ZmtpScan& scan, std::string& bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (scan.skip > 0) {
      const std::uint64_t step = std::min<std::uint64_t>(scan.skip, bytes.size() - at);
      const std::uint64_t begin = scan.size - scan.skip;
      const bool large = scan.in_part && flip_.has_value() && flip_->payload_bytes > 0 &&
                         scan.size >= flip_->payload_bytes;
      if (large && large_parts_ == flip_->payload && flip_->offset >= begin &&
          flip_->offset < begin + step) {
        bytes[at + (flip_->offset - begin)] ^= static_cast<char>(1 << flip_->bit);
        flip_.reset();
      }
      scan.skip -= step;
      at += step;
      if (scan.skip == 0 && large) ++large_parts_;
      continue;
    }
    scan.header += bytes[at++];
    const auto flags = static_cast<unsigned char>(scan.header[0]);
    const std::size_t length_bytes = (flags & 2) != 0 ? 8 : 1;
    if (scan.header.size() < 1 + length_bytes) continue;
    std::uint64_t size = 0;
    for (const char c : scan.header.substr(1)) size = size << 8 | static_cast<unsigned char>(c);
    scan.in_part = (flags & 4) == 0;
    scan.size = scan.skip = size;
    scan.header.clear();
  }
}

void TcpProxy::CloseConnection(Connection& connection, bool reset) {
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  for (const int fd : {connection.client, connection.target}) {
    if (fd < 0) continue;
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    close(fd);
  }
  MutexLock lock(mutex_);
  counts_[connection.index].open = false;
}

}  // namespace tests
