#include "runtime/net/connect_back.h"

#include <absl/strings/str_cat.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace runtime {
namespace {

absl::Status Explain(const std::string& address, int error) {
  if (error == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      address, error == ECONNREFUSED ? " refuses connections"
               : error == ETIMEDOUT  ? " does not answer"
                                     : absl::StrCat(" cannot be reached: ", std::strerror(error))));
}

// One attempt. Its socket is closed with it.
class Attempt {
 public:
  explicit Attempt(const std::string& address) : address_(address) {
    result_ = Begin();
    if (!result_.ok()) waits_ = false;
  }
  ~Attempt() {
    if (fd_ >= 0) close(fd_);
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  bool waits() const { return waits_; }
  int fd() const { return fd_; }
  void OnWritable() {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    Settle(error);
  }
  void OnTimeout() { Settle(ETIMEDOUT); }
  absl::Status TakeResult() { return std::move(result_); }

 private:
  absl::Status Begin() {
    const absl::StatusOr<Address> parsed = ParseConnectAddress(address_);
    if (!parsed.ok() || parsed->scheme != Address::Scheme::kTcp) {
      return absl::UnavailableError(absl::StrCat("\"", address_, "\" is no TCP address"));
    }
    addrinfo hints{};
    // As libzmq does: a name means its IPv4 address.
    hints.ai_family = parsed->IsIpv6() ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed =
        getaddrinfo(parsed->host.c_str(), std::to_string(parsed->port).c_str(), &hints, &found);
    if (failed != 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot resolve \"", parsed->host, "\": ", gai_strerror(failed)));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
    fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Explain(address_, errno);
    const int error = connect(fd_, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
    waits_ = error == EINPROGRESS;
    return waits_ ? absl::OkStatus() : Explain(address_, error);
  }
  void Settle(int error) {
    waits_ = false;
    result_ = Explain(address_, error);
  }

  const std::string& address_;
  int fd_ = -1;
  bool waits_ = false;
  absl::Status result_;
};

}  // namespace

std::vector<absl::Status> TryConnections(std::span<const std::string> addresses,
                                         Duration patience) {
  const SteadyClock clock;
  std::vector<std::unique_ptr<Attempt>> attempts;
  for (const std::string& address : addresses) {
    attempts.push_back(std::make_unique<Attempt>(address));
  }
  const Time deadline = clock.Now() + patience;
  for (;;) {
    std::vector<Attempt*> waiting;
    std::vector<pollfd> waits;
    for (const auto& attempt : attempts) {
      if (!attempt->waits()) continue;
      waiting.push_back(attempt.get());
      waits.push_back({.fd = attempt->fd(), .events = POLLOUT, .revents = 0});
    }
    if (waiting.empty()) break;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(Duration::zero(), deadline - clock.Now()));
    const int ready = poll(waits.data(), waits.size(), static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (ready > 0 && waits[i].revents != 0) {
        waiting[i]->OnWritable();
      } else if (ready <= 0) {
        waiting[i]->OnTimeout();
      }
    }
  }
  std::vector<absl::Status> results;
  results.reserve(attempts.size());
  for (const auto& attempt : attempts) results.push_back(attempt->TakeResult());
  return results;
}

}  // namespace runtime
