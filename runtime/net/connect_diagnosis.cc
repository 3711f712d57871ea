#include "runtime/net/connect_diagnosis.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

absl::Status Unreachable(const std::string& message, const std::string& hint) {
  return MakeError("HEAD_UNREACHABLE", Exit::kHeadUnreachable, message, hint);
}

absl::Status NotAHead(const std::string& message) {
  return MakeError("NOT_A_HEAD", Exit::kHeadUnreachable, message,
                   "check the address: it must be the one that `rondo head` printed");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool WaitFor(int fd, short events, Duration patience) {
  pollfd wait{.fd = fd, .events = events, .revents = 0};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  return poll(&wait, 1, static_cast<int>(milliseconds)) == 1;
}

// 0 or errno.
int Connect(int fd, const sockaddr* target, socklen_t length, Duration patience) {
  int error = connect(fd, target, length) == 0 ? 0 : errno;
  if (error != EINPROGRESS) return error;
  if (!WaitFor(fd, POLLOUT, patience)) return ETIMEDOUT;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

// The first bytes of ZMTP are 0xff, a length of 8 bytes and 0x7f.
Opening Listen(int fd, Duration patience) {
  std::array<unsigned char, 10> bytes{};
  if (!WaitFor(fd, POLLIN, patience)) return Opening::kSilence;
  const ssize_t got = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  const bool zmtp = got >= 1 && bytes[0] == 0xff && (got < 10 || bytes[9] == 0x7f);
  return zmtp ? Opening::kZeroMq : Opening::kOther;
}

absl::Status ExplainErrno(const Address& address, int error) {
  const std::string where = address.ToString();
  switch (error) {
    case 0: return absl::OkStatus();
    case ECONNREFUSED:
      return Unreachable(absl::StrCat("nothing is listening at ", where, ": refused"),
                         "is the head up, and is the port right?");
    case ETIMEDOUT:
    case EAGAIN:
      return Unreachable(absl::StrCat("no answer from ", where),
                         "a firewall, a lost host or a wrong address drops the packets");
    default:
      return Unreachable(absl::StrCat("cannot connect to ", where, ": ", std::strerror(error)),
                         "check the address and the network");
  }
}

absl::StatusOr<Opening> Probe(const Address& address, const sockaddr* target, socklen_t length,
                              Duration patience) {
  const Descriptor probe(socket(target->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return ExplainErrno(address, errno);
  const int error = Connect(probe.get(), target, length, patience);
  if (error != 0) return ExplainErrno(address, error);
  return Listen(probe.get(), patience);
}

absl::StatusOr<Opening> ProbeIpc(const Address& address, Duration patience) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  // An abstract name begins with a zero byte.
  const std::size_t size = std::min(address.host.size(), sizeof(target.sun_path) - 1);
  std::memcpy(target.sun_path + 1, address.host.data(), size);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  return Probe(address, reinterpret_cast<const sockaddr*>(&target), length, patience);
}

}  // namespace

absl::StatusOr<Opening> ProbeConnection(const Address& address, Duration patience) {
  if (address.scheme == Address::Scheme::kIpc) return ProbeIpc(address, patience);
  addrinfo hints{};
  // As libzmq does: a name means its IPv4 address.
  hints.ai_family = address.IsIpv6() ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) {
    return Unreachable(
        absl::StrCat("cannot resolve \"", address.host, "\": ", gai_strerror(failed)),
        "check the name, or give the address in numbers");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  return Probe(address, found->ai_addr, found->ai_addrlen, patience);
}

void ConnectDiagnosis::OnEvent(const ConnectionEvent& event) {
  switch (event.kind) {
    case ZMQ_EVENT_CONNECTED: stage_ = Stage::kConnected; break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      stage_ = Stage::kHandshaken;
      handshake_failed_ = encryption_differs_ = false;
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: encryption_differs_ = true; break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      if (event.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) encryption_differs_ = true;
      break;
    case ZMQ_EVENT_DISCONNECTED:
      // Not every failed handshake has an event of its own.
      handshake_failed_ = handshake_failed_ || stage_ == Stage::kConnected;
      stage_ = Stage::kUnconnected;
      head_.reset();
      break;
    default: break;
  }
}

void ConnectDiagnosis::OnNote(const Note& note) {
  if (note.kind == NoteKind::kPresent) head_ = note;
}

absl::Status ConnectDiagnosis::Explain(const Address& address, Duration patience) const {
  const std::string where = address.ToString();
  if (head_.has_value() && !head_->Fits()) {
    return MakeError("INCOMPATIBLE", Exit::kIncompatible,
                     absl::StrFormat("the head at %s is of another build: protocol %d, schema "
                                     "%016x; here protocol %d, schema %016x",
                                     where, head_->version, head_->fingerprint, kProtocolVersion,
                                     SchemaFingerprint()),
                     "run the same version of Rondo on all nodes");
  }
  if (HeadIsPresent()) return absl::OkStatus();
  if (encryption_differs_) {
    return MakeError("ENCRYPTION_MISMATCH", Exit::kHeadUnreachable,
                     absl::StrCat(where, " and this node do not agree on encryption"),
                     "join with the string that the head printed");
  }
  if (foreign_) return NotAHead(absl::StrCat(where, " speaks ZeroMQ, but is no Rondo head"));
  if (stage_ == Stage::kHandshaken) {
    return MakeError("HEAD_SILENT", Exit::kHeadUnreachable,
                     absl::StrCat(where, " speaks ZeroMQ, but does not answer as a Rondo head"),
                     "check the address: it must be the one that `rondo head` printed");
  }
  ASSIGN_OR_RETURN(const Opening opening, ProbeConnection(address, patience));
  switch (opening) {
    case Opening::kOther:
      return NotAHead(absl::StrCat(where, " answers, but does not speak ZeroMQ"));
    case Opening::kSilence:
      return NotAHead(absl::StrCat(where, " takes connections, but does not speak ZeroMQ"));
    case Opening::kZeroMq: break;
  }
  if (handshake_failed_) {
    return NotAHead(absl::StrCat(where, " speaks ZeroMQ, but is no Rondo head"));
  }
  return MakeError("HEAD_SILENT", Exit::kHeadUnreachable,
                   absl::StrCat("not yet connected to ", where), "try again");
}

}  // namespace runtime
