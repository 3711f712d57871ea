// Whatever arrives at the port of a transfer, and whatever a donor may turn out to be: it is
// counted, and disturbs nobody.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/collective/transfer_message.h"
#include "runtime/net/zmq_handles.h"
#include "tests/runtime/collective/fetching.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::ByTcp;
using tests::DonorOf;
using tests::Eventually;
using tests::Fetching;
using tests::HasCode;
using tests::kTransferLayout;
using tests::MakeTransfer;
using tests::MakeVector;
using tests::OfferOf;
using tests::Vector;

std::string BytesOf(const TransferMessage& message) {
  TransferEncoder encoder;
  const auto bytes = encoder.Encode(message);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A plain TCP connection to the port of `tcp`.
int ConnectTo(const std::string& tcp) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::atoi(tcp.substr(tcp.rfind(':') + 1).c_str())));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

// A bare ZeroMQ socket.
struct RawSocket {
  explicit RawSocket(int type)
      : context(NewZmqContext()), socket(*NewZmqSocket(context.get(), type)) {
    SetOption(socket.get(), ZMQ_LINGER, 0);
  }
  void Say(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const int flags = ZMQ_DONTWAIT | (i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
      EXPECT_GE(zmq_send(socket.get(), parts[i].data(), parts[i].size(), flags), 0);
    }
  }
  // The parts of the next message; empty if none comes in time.
  std::vector<std::string> Hear() {
    SetOption(socket.get(), ZMQ_RCVTIMEO, 60'000);
    std::vector<std::string> parts;
    for (bool more = true; more;) {
      zmq_msg_t part;
      zmq_msg_init(&part);
      if (zmq_msg_recv(&part, socket.get(), 0) < 0) return {};
      parts.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
      more = zmq_msg_more(&part) != 0;
      zmq_msg_close(&part);
    }
    return parts;
  }

  ZmqContext context;
  ZmqSocket socket;
};

class ZmqTransferJunk : public testing::Test {
 protected:
  ZmqTransferJunk() { donor_->Offer(OfferOf(vector_)); }

  void ExpectUndisturbed() {
    auto joiner = MakeTransfer();
    for (const TransferDonor& donor : {DonorOf(*donor_), ByTcp(DonorOf(*donor_))}) {
      Fetching fetching(*joiner, root_, vector_->size(), {donor});
      ASSERT_OK(fetching.Wait());
      EXPECT_TRUE(fetching.into() == *vector_);
    }
  }
  static std::unique_ptr<RawSocket> Stranger(const std::string& address) {
    auto stranger = std::make_unique<RawSocket>(ZMQ_DEALER);
    // Whoever does not take what came lets the donor wait.
    SetOption(stranger->socket.get(), ZMQ_RCVHWM, 1);
    EXPECT_EQ(zmq_connect(stranger->socket.get(), address.c_str()), 0);
    return stranger;
  }

  const Vector vector_ = MakeVector(1'000'000, 1);
  const Hash128 root_ = RootOf(kTransferLayout, *vector_);
  std::unique_ptr<ZmqTransfer> donor_ = MakeTransfer();
};

TEST_F(ZmqTransferJunk, OtherProtocolsAreRefusedAndCounted) {
  std::mt19937 random(3);
  std::vector<std::string> openings = {
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      std::string("\1\0", 2) + std::string(200, 'x'),                       // ZMTP 1.
      "\xff" + std::string(8, '\0') + "\x7f\1\5" + std::string("\0\0", 2),  // ZMTP 2.
      std::string(4096, '\0'),
      std::string(4096, '\xff'),
  };
  for (int i = 0; i < 50; ++i) {
    openings.emplace_back(1 + random() % 5000, '\0');
    for (char& byte : openings.back()) byte = static_cast<char>(random());
  }
  for (const std::string& opening : openings) {
    const int fd = ConnectTo(donor_->endpoint().tcp);
    (void)!::send(fd, opening.data(), opening.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  EXPECT_TRUE(Eventually([&] { return donor_->Dropped().handshake >= openings.size(); }))
      << donor_->Dropped().handshake;
  ExpectUndisturbed();
}

TEST_F(ZmqTransferJunk, StrangersThatSpeakZmtpAreCountedByWhatTheySay) {
  const std::string request = BytesOf({.root = root_, .body = TransferRequest{.floats = 1}});
  std::string flipped = request;
  flipped.back() ^= 1;
  const std::vector<std::pair<std::vector<std::string>, std::uint64_t Drops::*>> rows = {
      {{""}, &Drops::frame},
      {{"junk"}, &Drops::frame},
      {{flipped}, &Drops::frame},
      {{request, request}, &Drops::frame},
      {std::vector<std::string>(100, "part"), &Drops::frame},
      {{BytesOf({.root = root_, .body = TransferRequest{.floats = 0}})}, &Drops::decode},
      {{BytesOf({.root = root_, .body = TransferNotHeld{}})}, &Drops::decode},
  };
  auto stranger = Stranger(donor_->endpoint().tcp);
  for (const auto& [parts, reason] : rows) {
    const std::uint64_t before = donor_->Dropped().*reason;
    stranger->Say(parts);
    // clang 14 does not let a lambda take a structured binding by reference.
    EXPECT_TRUE(Eventually([&, why = reason] { return donor_->Dropped().*why == before + 1; }))
        << parts[0];
  }
  // A connection that said junk may still ask properly.
  stranger->Say({request});
  EXPECT_EQ(stranger->Hear().size(), 2U);
  ExpectUndisturbed();
}

TEST_F(ZmqTransferJunk, WhoAsksAndNeverTakesGetsNoMoreThanTheBound) {
  Vector large = MakeVector(4'000'000, 1);
  const Hash128 root = RootOf(kTransferLayout, *large);
  const std::weak_ptr<const void> owner = large;
  donor_->Offer(OfferOf(std::exchange(large, nullptr)));
  // By ipc, for TCP's buffers can hold more than the bound.
  auto stranger = Stranger(donor_->endpoint().ipc);
  const std::string request =
      BytesOf({.root = root, .body = TransferRequest{.floats = kMaxTransferFloats}});
  for (int i = 0; i < 200; ++i) stranger->Say({request});
  ASSERT_TRUE(Eventually([&] { return donor_->Dropped().full > 0; }));
  // Answers on their way keep the vector, until their peer is gone.
  donor_->Offer(OfferOf(vector_));
  EXPECT_FALSE(owner.expired());
  ExpectUndisturbed();
  EXPECT_FALSE(owner.expired());
  stranger.reset();
  EXPECT_TRUE(Eventually([&] { return owner.expired(); }));
  // Nor may refusals pile up for one who does not take them.
  auto other = Stranger(donor_->endpoint().ipc);
  const std::string old = BytesOf({.root = {1, 2}, .body = TransferRequest{.floats = 1}});
  const std::uint64_t before = donor_->Dropped().full;
  ASSERT_TRUE(Eventually([&] {
    zmq_send(other->socket.get(), old.data(), old.size(), ZMQ_DONTWAIT);
    return donor_->Dropped().full > before;
  }));
  ExpectUndisturbed();
}

// What a donor may say instead of a chunk.
TEST_F(ZmqTransferJunk, ADonorThatSaysAnythingElseIsLeftForTheNext) {
  const TransferRequest first = {.floats = kMaxTransferFloats};
  const std::string floats(first.floats * sizeof(float), 'x');
  const std::string chunk =
      BytesOf({.root = root_, .body = TransferChunk{.range = first, .checksum = 1}});
  const std::string request = BytesOf({.root = root_, .body = first});
  const std::vector<std::pair<std::vector<std::string>, std::uint64_t Drops::*>> rows = {
      {{"junk"}, &Drops::frame},
      {{chunk, floats, floats}, &Drops::frame},
      {{chunk, floats}, &Drops::checksum},
      {{chunk, "short"}, &Drops::checksum},
      {{chunk}, &Drops::decode},
      {{request}, &Drops::decode},
      {{BytesOf({.root = root_, .body = TransferChunk{.range = {.floats = 0}}})}, &Drops::decode},
  };
  for (const auto& [parts, reason] : rows) {
    RawSocket liar(ZMQ_ROUTER);
    ASSERT_EQ(zmq_bind(liar.socket.get(), "tcp://127.0.0.1:*"), 0);
    TransferDonor way;
    way.endpoint.tcp = LastEndpoint(liar.socket.get());
    auto joiner = MakeTransfer();
    Fetching fetching(*joiner, root_, vector_->size(), {way, DonorOf(*donor_)});
    const std::vector<std::string> heard = liar.Hear();
    ASSERT_EQ(heard.size(), 2U);
    std::vector<std::string> answer = {heard[0]};
    answer.insert(answer.end(), parts.begin(), parts.end());
    liar.Say(answer);
    ASSERT_OK(fetching.Wait());
    EXPECT_TRUE(fetching.into() == *vector_);
    EXPECT_EQ(joiner->Dropped().*reason, 1U);
  }
}

TEST_F(ZmqTransferJunk, AChunkThatNobodyAskedForIsStale) {
  RawSocket liar(ZMQ_ROUTER);
  ASSERT_EQ(zmq_bind(liar.socket.get(), "tcp://127.0.0.1:*"), 0);
  TransferDonor way;
  way.endpoint.tcp = LastEndpoint(liar.socket.get());
  auto joiner = MakeTransfer();
  Fetching fetching(*joiner, root_, vector_->size(), {way});
  const std::vector<std::string> heard = liar.Hear();
  ASSERT_EQ(heard.size(), 2U);
  liar.Say({heard[0],
            BytesOf({.root = root_, .body = TransferChunk{.range = {.offset = 1, .floats = 1}}}),
            "1234"});
  liar.Say({heard[0], BytesOf({.root = {1, 2}, .body = TransferNotHeld{}})});
  liar.Say({heard[0], BytesOf({.root = root_, .body = TransferNotHeld{}})});
  EXPECT_THAT(fetching.Wait(), HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(joiner->Dropped().fence, 2U);
}

TEST_F(ZmqTransferJunk, APortThatSpeaksAnotherProtocolIsNoDonor) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), 0);
  TransferDonor way;
  way.endpoint.tcp = "tcp://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  auto joiner = MakeTransfer();
  Fetching fetching(*joiner, root_, vector_->size(), {way, DonorOf(*donor_)});
  const int accepted = ::accept(listener, nullptr, nullptr);
  const std::string words = "HTTP/1.1 400 Bad Request\r\n\r\n";
  (void)!::send(accepted, words.data(), words.size(), MSG_NOSIGNAL);
  ASSERT_OK(fetching.Wait());
  EXPECT_TRUE(fetching.into() == *vector_);
  ::close(accepted);
  ::close(listener);
}

}  // namespace
}  // namespace runtime
