#include "runtime/net/connect_diagnosis.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
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

// 0, or the errno of a connection attempt to one resolved address.
int TryConnect(const sockaddr* target, socklen_t length, Duration patience) {
  const int socket_fd = socket(target->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return errno;
  int error = connect(socket_fd, target, length) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd wait{.fd = socket_fd, .events = POLLOUT, .revents = 0};
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    error = ETIMEDOUT;
    if (poll(&wait, 1, static_cast<int>(milliseconds)) == 1) {
      socklen_t size = sizeof(error);
      getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  close(socket_fd);
  return error;
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

absl::Status ProbeIpc(const Address& address, Duration patience) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  // An abstract name begins with a zero byte.
  const std::size_t size = std::min(address.host.size(), sizeof(target.sun_path) - 1);
  std::memcpy(target.sun_path + 1, address.host.data(), size);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  return ExplainErrno(address,
                      TryConnect(reinterpret_cast<const sockaddr*>(&target), length, patience));
}

}  // namespace

absl::Status ProbeConnection(const Address& address, Duration patience) {
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
  return ExplainErrno(address, TryConnect(found->ai_addr, found->ai_addrlen, patience));
}

void ConnectDiagnosis::OnEvent(const ConnectionEvent& event) {
  switch (event.kind) {
    case ZMQ_EVENT_CONNECTED: stage_ = Stage::kConnected; break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      stage_ = Stage::kHandshaken;
      not_zeromq_ = not_router_ = encryption_differs_ = closed_without_word_ = false;
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: not_zeromq_ = true; break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: encryption_differs_ = true; break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      if (event.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        encryption_differs_ = true;
      } else {
        not_router_ = true;
      }
      break;
    case ZMQ_EVENT_DISCONNECTED:
      // libzmq reports no failed handshake when a peer of the wrong type hangs up on us.
      if (stage_ == Stage::kConnected && !not_zeromq_ && !encryption_differs_) {
        closed_without_word_ = true;
      }
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
  if (not_zeromq_) return NotAHead(absl::StrCat(where, " answers, but does not speak ZeroMQ"));
  if (not_router_ || foreign_ || closed_without_word_) {
    return NotAHead(absl::StrCat(where, " speaks ZeroMQ, but is no Rondo head"));
  }
  if (stage_ == Stage::kHandshaken) {
    return MakeError("HEAD_SILENT", Exit::kHeadUnreachable,
                     absl::StrCat(where, " speaks ZeroMQ, but does not answer as a Rondo head"),
                     "check the address: it must be the one that `rondo head` printed");
  }
  if (stage_ == Stage::kConnected) {
    return NotAHead(absl::StrCat(where, " takes connections, but does not answer in ZeroMQ"));
  }
  RETURN_IF_ERROR(ProbeConnection(address, patience));
  return Unreachable(absl::StrCat("not yet connected to ", where), "try again");
}

}  // namespace runtime
