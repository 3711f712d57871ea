// Whatever arrives at the ports of a head: it is counted, and disturbs nobody.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_transport.h"
#include "runtime/net/zmq_wire.h"
#include "tests/runtime/net/recorder.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;
using ::tests::End;
using ::tests::Eventually;
using ::tests::TextFrame;
using Role = ZmqTransportOptions::Role;

constexpr NodeId kHead{0x1111, 1};
constexpr NodeId kAlice{0xa11ce, 2};
constexpr NodeId kMallory{0xbad, 3};
constexpr std::uint64_t kSeed = 20240229;

// A plain TCP connection that says `bytes` and stays open.
class RawConnection {
 public:
  RawConnection(std::uint16_t port, const std::string& bytes)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    // Who is cut off in the middle has said enough.
    [[maybe_unused]] const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  ~RawConnection() { close(fd_); }
  RawConnection(const RawConnection&) = delete;

 private:
  const int fd_;
};

// A bare ZeroMQ socket, connected.
struct RawPeer {
  RawPeer(int type, const Address& address, const std::string& name = "")
      : context(NewZmqContext()), socket(*NewZmqSocket(context.get(), type)) {
    SetOption(socket.get(), ZMQ_LINGER, 0);
    if (!name.empty()) {
      EXPECT_EQ(zmq_setsockopt(socket.get(), ZMQ_ROUTING_ID, name.data(), name.size()), 0);
    }
    EXPECT_EQ(zmq_connect(socket.get(), address.ToString().c_str()), 0);
  }
  void Say(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const int flags = i + 1 < parts.size() ? ZMQ_SNDMORE : 0;
      EXPECT_GE(zmq_send(socket.get(), parts[i].data(), parts[i].size(), flags), 0);
    }
  }

  ZmqContext context;
  ZmqSocket socket;
};

std::string NameOf(NodeId node) {
  const RoutingId id = ToRoutingId(node);
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

std::string BytesOf(const Frame& frame) {
  return {reinterpret_cast<const char*>(frame.data()), frame.size() * sizeof(std::uint64_t)};
}

std::string RandomBytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// A greeting of ZMTP 3.0 with the NULL mechanism, and READY as a DEALER named Mallory.
std::string ZmtpDealer() {
  std::string greeting = "\xff" + std::string(8, '\0') + "\x7f" + std::string("\3\0", 2) + "NULL";
  greeting.resize(64, '\0');
  std::string ready = std::string("\5READY\13Socket-Type\0\0\0\6DEALER", 6 + 12 + 4 + 6);
  ready += std::string("\10Identity\0\0\0\20", 9 + 4) + NameOf(kMallory);
  return greeting + std::string("\4", 1) + static_cast<char>(ready.size()) + ready;
}

class ZmqJunk : public testing::Test {
 protected:
  ZmqJunk() : head_({.self = kHead, .role = Role::kListen, .address = {.host = "127.0.0.1"}}) {
    EXPECT_OK(head_.transport.Start(head_.heard));
    alice_ = std::make_unique<End>(
        ZmqTransportOptions{.self = kAlice, .address = head_.transport.control_address()});
    EXPECT_OK(alice_->transport.Start(alice_->heard));
    Tell(0);
    head_.transport.Welcome(kAlice);
  }

  // Alice tells the head something, and hears a broadcast.
  void Tell(std::uint64_t number) {
    const std::size_t before = head_.heard.arrivals().size();
    ASSERT_OK(
        alice_->transport.Send(kHeadNode, Traffic::kControl, TextFrame(kAlice, kHeadNode, number)));
    ASSERT_TRUE(head_.heard.WaitForArrivals(before + 1));
    EXPECT_EQ(head_.heard.arrivals().back().connection, kAlice);
  }
  void ExpectUndisturbed() {
    Tell(1);
    const std::size_t before = alice_->heard.arrivals().size();
    ASSERT_OK(head_.transport.Publish(Traffic::kControl, TextFrame(kHead, {}, 1)));
    ASSERT_TRUE(alice_->heard.WaitForArrivals(before + 1));
    EXPECT_TRUE(head_.heard.losses().empty());
    EXPECT_TRUE(alice_->heard.losses().empty());
    for (const auto& arrival : head_.heard.arrivals()) EXPECT_EQ(arrival.connection, kAlice);
  }
  std::uint64_t Junk() const {
    const Drops drops = head_.transport.Dropped();
    return drops.handshake + drops.frame + drops.checksum + drops.decode;
  }
  std::vector<std::uint16_t> Ports() const {
    return {head_.transport.control_address().port, head_.transport.broadcast_address().port};
  }
  // Says `parts` as a DEALER with a node's name, and waits until it is counted.
  void ExpectCounted(const std::vector<std::string>& parts, std::uint64_t Drops::*reason) {
    RawPeer mallory(ZMQ_DEALER, head_.transport.control_address(), NameOf(kMallory));
    const std::uint64_t before = head_.transport.Dropped().*reason;
    mallory.Say(parts);
    EXPECT_TRUE(Eventually([&] { return head_.transport.Dropped().*reason == before + 1; }));
  }

  End head_;
  std::unique_ptr<End> alice_;
};

TEST_F(ZmqJunk, OtherProtocolsAreCountedAtBothPorts) {
  std::mt19937_64 random(kSeed);
  const std::vector<std::string> openings = {
      "GET / HTTP/1.1\r\nHost: head\r\n\r\n",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + RandomBytes(random, 506),
      "SSH-2.0-OpenSSH_9.2\r\n",
      std::string(4096, '\xff'),
      std::string(4096, '\0'),
      RandomBytes(random, 5000),
      // ZMTP 3 of the wrong kind of socket, and one that stops in the middle.
      "\xff" + std::string(8, '\0') + "\x7f\3" + std::string(1, '\0') + "NULL",
  };
  for (const std::uint16_t port : Ports()) {
    for (const std::string& opening : openings) {
      const std::uint64_t before = Junk();
      { const RawConnection connection(port, opening); }
      EXPECT_TRUE(Eventually([&] { return Junk() > before; }))
          << "port " << port << ": " << testing::PrintToString(opening.substr(0, 16));
    }
  }
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, RandomOpeningsDisturbNobody) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 300; ++i) {
    for (const std::uint16_t port : Ports()) {
      std::string bytes = RandomBytes(random, 1 + random() % 400);
      // Half of them get beyond the greeting.
      if (i % 2 == 0) bytes = ZmtpDealer() + bytes;
      const RawConnection connection(port, bytes);
    }
  }
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, TwoHundredSilentConnectionsDisturbNobody) {
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 200; ++i) {
    for (const std::uint16_t port : Ports()) {
      connections.push_back(std::make_unique<RawConnection>(port, i % 2 == 0 ? "" : "hello"));
    }
  }
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, APartOverTheLimitIsNeverTakenIn) {
  // A part that claims 2^62 bytes.
  const std::string huge("\2\x40\0\0\0\0\0\0\0", 9);
  const RawConnection connection(Ports()[0], ZmtpDealer() + huge + std::string(1000, 'x'));
  RawPeer mallory(ZMQ_DEALER, head_.transport.control_address(), NameOf({0xbad, 4}));
  mallory.Say({std::string(kMaxFrameBytes + 8, 'x')});
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, BrokenMessagesAreCountedByTheirReason) {
  const std::string good = BytesOf(TextFrame(kMallory, kHeadNode, 1));
  std::string corrupt = good;
  corrupt.back() ^= 1;
  std::string schema = good;
  schema[8] ^= 1;
  ExpectCounted({""}, &Drops::frame);
  ExpectCounted({"hello"}, &Drops::frame);
  ExpectCounted({good, good}, &Drops::frame);
  ExpectCounted(std::vector<std::string>(1000, "part"), &Drops::frame);
  ExpectCounted({schema}, &Drops::frame);
  ExpectCounted({corrupt}, &Drops::checksum);
  ExpectCounted({BytesOf(TextFrame(kAlice, kHeadNode, 1))}, &Drops::decode);
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, PeersWithoutANodesNameAreCounted) {
  for (const std::string& name :
       {std::string(), std::string("monitoring"), NameOf({}), NameOf(kHeadNode), NameOf(kHead)}) {
    const std::uint64_t before = head_.transport.Dropped().handshake;
    RawPeer peer(ZMQ_DEALER, head_.transport.control_address(), name);
    peer.Say({BytesOf(TextFrame(kMallory, kHeadNode, 1))});
    EXPECT_TRUE(Eventually([&] { return head_.transport.Dropped().handshake > before; })) << name;
  }
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, OddSubscriptionsAreCounted) {
  const std::uint64_t before = head_.transport.Dropped().handshake;
  RawPeer curious(ZMQ_SUB, head_.transport.broadcast_address());
  ASSERT_EQ(zmq_setsockopt(curious.socket.get(), ZMQ_SUBSCRIBE, "news", 4), 0);
  EXPECT_TRUE(Eventually([&] { return head_.transport.Dropped().handshake == before + 1; }));
  const std::uint64_t frames = head_.transport.Dropped().frame;
  RawPeer upstream(ZMQ_XSUB, head_.transport.broadcast_address());
  upstream.Say({"\7talks back"});
  EXPECT_TRUE(Eventually([&] { return head_.transport.Dropped().frame == frames + 1; }));
  ExpectUndisturbed();
}

TEST_F(ZmqJunk, StrangersWithNamesGiveWayToNewOnes) {
  End head({.self = kHead,
            .role = Role::kListen,
            .address = {.host = "127.0.0.1"},
            .max_unwelcomed = 4});
  ASSERT_OK(head.transport.Start(head.heard));
  std::vector<std::unique_ptr<End>> nodes;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const NodeId self{0x57a, i + 1};
    nodes.push_back(std::make_unique<End>(
        ZmqTransportOptions{.self = self, .address = head.transport.control_address()}));
    ASSERT_OK(nodes.back()->transport.Start(nodes.back()->heard));
    ASSERT_OK(
        nodes.back()->transport.Send(kHeadNode, Traffic::kJoin, TextFrame(self, kHeadNode, 1)));
    ASSERT_TRUE(head.heard.WaitForArrivals(i + 1));
  }
  // The last can be answered; the first has to speak again.
  EXPECT_OK(head.transport.Send({0x57a, 20}, Traffic::kJoin, TextFrame(kHead, {0x57a, 20}, 1)));
  EXPECT_FALSE(
      head.transport.Send({0x57a, 1}, Traffic::kJoin, TextFrame(kHead, {0x57a, 1}, 1)).ok());
}

TEST_F(ZmqJunk, AMillionFramesOfAStrangerReachTheListenerAsAFew) {
  RawPeer mallory(ZMQ_DEALER, head_.transport.control_address(), NameOf(kMallory));
  const std::string good = BytesOf(TextFrame(kMallory, kHeadNode, 1));
  const std::size_t heard = head_.heard.arrivals().size();
  constexpr std::uint64_t kFlood = 100'000;
  for (std::uint64_t i = 0; i < kFlood; ++i) mallory.Say({good});
  ASSERT_TRUE(Eventually([&] { return Junk() + head_.heard.arrivals().size() - heard >= kFlood; }));
  EXPECT_LT(head_.heard.arrivals().size() - heard, 40u);
  Tell(1);
}

}  // namespace
}  // namespace runtime
