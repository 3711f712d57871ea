// `rondo join` names the true cause: each case of the table, with real sockets.
#include "runtime/net/connect_diagnosis.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/error.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_transport.h"
#include "tests/runtime/net/recorder.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/tcp_proxy.h"

namespace runtime {
namespace {

using ::testing::HasSubstr;
using ::tests::End;
using ::tests::Eventually;
using ::tests::TcpProxy;
using Role = ZmqTransportOptions::Role;

constexpr NodeId kHead{0x1111, 1};
constexpr NodeId kAlice{0xa11ce, 2};

// A TCP listener on an ephemeral port that, if it has something to say, says it and hangs up.
class RawServer {
 public:
  explicit RawServer(std::string answer)
      : answer_(std::move(answer)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    address_ = {.host = "127.0.0.1", .port = ntohs(address.sin_port)};
    if (!answer_.empty()) thread_ = std::thread([this] { Serve(); });
  }
  ~RawServer() {
    shutdown(fd_, SHUT_RDWR);  // Ends accept.
    if (thread_.joinable()) thread_.join();
    close(fd_);
  }
  const Address& address() const { return address_; }

 private:
  void Serve() {
    for (int client = accept(fd_, nullptr, nullptr); client >= 0;
         client = accept(fd_, nullptr, nullptr)) {
      [[maybe_unused]] const ssize_t sent =
          send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      close(client);
    }
  }

  const std::string answer_;
  const int fd_;
  Address address_;
  std::thread thread_;
};

// What a node that tries to connect to `address` says in the end.
UserError Diagnose(const Address& address, const std::string& code) {
  End node({.self = kAlice, .address = address});
  EXPECT_OK(node.transport.Start(node.heard));
  UserError error;
  EXPECT_TRUE(Eventually([&] {
    const absl::Status status = node.transport.DiagnoseConnect();
    if (status.ok()) return false;
    error = ToUserError(status);
    return error.code == code;
  })) << error.code
      << ": " << error.message;
  return error;
}

Address UnusedPort() {
  const RawServer server("");
  return server.address();
}

// A bare ZeroMQ socket that listens.
struct RawListener {
  explicit RawListener(int type)
      : context(NewZmqContext()), socket(*NewZmqSocket(context.get(), type)) {
    SetOption(socket.get(), ZMQ_LINGER, 0);
  }
  Address Bind() {
    EXPECT_EQ(zmq_bind(socket.get(), "tcp://127.0.0.1:*"), 0);
    return *ParseConnectAddress(LastEndpoint(socket.get()));
  }
  ZmqContext context;
  ZmqSocket socket;
};

TEST(ConnectDiagnosis, AHeadOfOurVersionIsFine) {
  End head({.self = kHead, .role = Role::kListen, .address = {.host = "127.0.0.1"}});
  ASSERT_OK(head.transport.Start(head.heard));
  End node({.self = kAlice, .address = head.transport.control_address()});
  ASSERT_OK(node.transport.Start(node.heard));
  EXPECT_TRUE(Eventually([&] { return node.transport.DiagnoseConnect().ok(); }));
}

TEST(ConnectDiagnosis, AHeadThatLeftIsNoLongerFine) {
  auto head = std::make_unique<End>(
      ZmqTransportOptions{.self = kHead, .role = Role::kListen, .address = {.host = "127.0.0.1"}});
  ASSERT_OK(head->transport.Start(head->heard));
  End node({.self = kAlice, .address = head->transport.control_address()});
  ASSERT_OK(node.transport.Start(node.heard));
  ASSERT_TRUE(Eventually([&] { return node.transport.DiagnoseConnect().ok(); }));
  head.reset();
  EXPECT_TRUE(Eventually([&] { return !node.transport.DiagnoseConnect().ok(); }));
}

TEST(ConnectDiagnosis, NobodyListens) {
  const UserError error = Diagnose(UnusedPort(), "HEAD_UNREACHABLE");
  EXPECT_EQ(error.exit, Exit::kHeadUnreachable);
  EXPECT_THAT(error.message, HasSubstr("refused"));
  EXPECT_THAT(
      Diagnose({.scheme = Address::Scheme::kIpc, .host = "rondo-nobody"}, "HEAD_UNREACHABLE")
          .message,
      HasSubstr("refused"));
}

TEST(ConnectDiagnosis, TheNameIsUnknown) {
  const UserError error =
      Diagnose({.host = "no-such-host.invalid", .port = 7777}, "HEAD_UNREACHABLE");
  EXPECT_THAT(error.message, HasSubstr("cannot resolve \"no-such-host.invalid\""));
}

TEST(ConnectDiagnosis, AnotherServiceThatHangsUp) {
  const RawServer server("HTTP/1.1 400 Bad Request\r\n\r\n");
  const UserError error = Diagnose(server.address(), "NOT_A_HEAD");
  EXPECT_EQ(error.exit, Exit::kHeadUnreachable);
  EXPECT_THAT(error.message, HasSubstr("does not speak ZeroMQ"));
}

TEST(ConnectDiagnosis, AServiceThatSaysNothing) {
  const RawServer server("");
  EXPECT_THAT(Diagnose(server.address(), "NOT_A_HEAD").message, HasSubstr("ZeroMQ"));
}

TEST(ConnectDiagnosis, ZeroMqOfAnotherKind) {
  for (const int type : {ZMQ_PUB, ZMQ_PULL}) {
    RawListener listener(type);
    EXPECT_THAT(Diagnose(listener.Bind(), "NOT_A_HEAD").message,
                HasSubstr("speaks ZeroMQ, but is no Rondo head"));
  }
}

TEST(ConnectDiagnosis, ARouterThatNeverAnswers) {
  RawListener listener(ZMQ_ROUTER);
  const Address address = listener.Bind();
  End node({.self = kAlice, .address = address});
  ASSERT_OK(node.transport.Start(node.heard));
  // Before the connection stands it is "not yet connected", under the same code.
  EXPECT_TRUE(Eventually([&] {
    const UserError error = ToUserError(node.transport.DiagnoseConnect());
    return error.code == "HEAD_SILENT" &&
           error.message.find("does not answer") != std::string::npos;
  }));
}

TEST(ConnectDiagnosis, ADealerThatSpeaksSomethingElse) {
  RawListener listener(ZMQ_DEALER);
  const Address address = listener.Bind();
  End node({.self = kAlice, .address = address});
  ASSERT_OK(node.transport.Start(node.heard));
  ASSERT_EQ(zmq_send(listener.socket.get(), "hello", 5, 0), 5);
  EXPECT_TRUE(Eventually(
      [&] { return ToUserError(node.transport.DiagnoseConnect()).code == "NOT_A_HEAD"; }));
}

TEST(ConnectDiagnosis, TheHeadIsEncrypted) {
  RawListener listener(ZMQ_ROUTER);
  char public_key[41];
  char secret_key[41];
  ASSERT_EQ(zmq_curve_keypair(public_key, secret_key), 0);
  SetOption(listener.socket.get(), ZMQ_CURVE_SERVER, 1);
  ASSERT_EQ(zmq_setsockopt(listener.socket.get(), ZMQ_CURVE_SECRETKEY, secret_key, 40), 0);
  Diagnose(listener.Bind(), "ENCRYPTION_MISMATCH");
}

TEST(ConnectDiagnosis, TheHeadIsOfAnotherVersion) {
  RawListener listener(ZMQ_ROUTER);
  const Address address = listener.Bind();
  End node({.self = kAlice, .address = address});
  ASSERT_OK(node.transport.Start(node.heard));
  ZmqMessage name;
  ZmqMessage hello;
  ASSERT_TRUE(Eventually([&] { return name.Receive(listener.socket.get()); }));
  ASSERT_TRUE(Eventually([&] { return hello.Receive(listener.socket.get()); }));
  ASSERT_TRUE(DecodeNote(hello.bytes()).has_value());
  const auto words = EncodeNote({.kind = NoteKind::kPresent, .version = kProtocolVersion + 1});
  ASSERT_EQ(name.Send(listener.socket.get(), ZMQ_SNDMORE), 0);
  ASSERT_EQ(ZmqMessage(std::as_bytes(std::span(words))).Send(listener.socket.get(), 0), 0);
  absl::Status status;
  ASSERT_TRUE(Eventually([&] {
    status = node.transport.DiagnoseConnect();
    return !status.ok() && ToUserError(status).code == "INCOMPATIBLE";
  }));
  EXPECT_EQ(ToUserError(status).exit, Exit::kIncompatible);
}

TEST(ConnectDiagnosis, ANodeRecoversWhenTheRightServiceTakesThePlace) {
  // libzmq itself does not try again after a failed handshake of this kind.
  auto wrong = std::make_unique<RawListener>(ZMQ_PUB);
  const Address address = wrong->Bind();
  End node({.self = kAlice, .address = address});
  ASSERT_OK(node.transport.Start(node.heard));
  ASSERT_TRUE(Eventually(
      [&] { return ToUserError(node.transport.DiagnoseConnect()).code == "NOT_A_HEAD"; }));
  wrong.reset();
  End head({.self = kHead, .role = Role::kListen, .address = address});
  ASSERT_TRUE(Eventually([&] { return head.transport.Start(head.heard).ok(); }));
  EXPECT_TRUE(Eventually([&] { return node.transport.DiagnoseConnect().ok(); }));
}

}  // namespace
}  // namespace runtime
