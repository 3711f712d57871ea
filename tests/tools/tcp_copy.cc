#include "tests/tools/tcp_copy.h"

#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace tests {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr timeval kPatience = {.tv_sec = 60, .tv_usec = 0};

// A socket in the host of the calling thread, bounded in time.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

int NewSocket() { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

absl::Status Failed(const char* what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::Status Send(const sockaddr_in& address, std::uint64_t bytes) {
  const Socket socket(NewSocket());
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Failed("connect");
  }
  const std::vector<char> piece(kPieceBytes, 'x');
  while (bytes > 0) {
    const ssize_t sent =
        send(socket.fd(), piece.data(), std::min<std::uint64_t>(bytes, piece.size()), MSG_NOSIGNAL);
    if (sent <= 0) return Failed("send");
    bytes -= static_cast<std::uint64_t>(sent);
  }
  return absl::OkStatus();
}

absl::Status Receive(int listener, std::uint64_t bytes) {
  const Socket socket(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  std::vector<char> piece(kPieceBytes);
  while (bytes > 0) {
    const ssize_t got = recv(socket.fd(), piece.data(), piece.size(), 0);
    if (got <= 0) return Failed("recv");
    bytes -= std::min(bytes, static_cast<std::uint64_t>(got));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<double> CopySeconds(const NetEmulator& network, std::size_t from, std::size_t to,
                                   std::uint64_t bytes) {
  const NetEmulator::Inside receiver(network, to);
  const Socket listener(NewSocket());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, NetEmulator::AddressOf(to).c_str(), &address.sin_addr);
  socklen_t length = sizeof(address);
  if (bind(listener.fd(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener.fd(), 1) != 0 ||
      getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return Failed("listen");
  }
  const auto begin = std::chrono::steady_clock::now();
  absl::Status sent;
  std::thread sender([&] {
    const NetEmulator::Inside inside(network, from);
    sent = Send(address, bytes);
  });
  absl::Status status = Receive(listener.fd(), bytes);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  sender.join();
  status.Update(sent);
  if (!status.ok()) return status;
  return seconds;
}

}  // namespace tests
