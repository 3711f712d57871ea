#include "runtime/collective/zmq_ring.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "runtime/collective/ring_reference.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::HasCode;

constexpr auto kDeadline = std::chrono::seconds(60);

Fence FenceOf(std::uint32_t attempt, std::uint32_t view = 1) {
  return {
      .run = 42, .head_epoch = 1, .view = ViewId{view}, .round = RoundId{0}, .attempt = attempt};
}

// Rings of K members in this process, one thread each.
class Cluster {
 public:
  Cluster(std::uint32_t world_size, std::size_t floats, RingTransport ring_transport,
          const RingOptions& ring_options = {})
      : options(ring_options), transport(ring_transport), base(floats), weights(world_size, 1.0F) {
    std::minstd_rand generator(static_cast<unsigned>(floats + world_size));
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& value : base) value = uniform(generator);
    for (std::uint32_t rank = 0; rank < world_size; ++rank) {
      locals.emplace_back(base);
      for (float& value : locals.back()) value += 0.1F * uniform(generator);
      shadows.emplace_back(floats);
      const NodeId node = RandomNodeId();
      auto ring = ZmqRing::Create({.node = node});
      EXPECT_OK(ring);
      members.push_back({.node = node, .endpoint = (*ring)->endpoint()});
      rings.push_back(*std::move(ring));
    }
  }

  // Until chunks of so many bytes have gone out of that member or come in, not for ever.
  void AwaitBytes(std::uint32_t rank, std::uint64_t bytes) const {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (rings[rank]->ProgressCounter() < bytes && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
  }

  using Result = absl::StatusOr<RingResult>;
  std::future<Result> Start(std::uint32_t rank, const Fence& fence) {
    for (std::size_t i = 0; i < members.size(); ++i) members[i].weight = weights[i];
    auto promise = std::make_shared<std::promise<Result>>();
    rings[rank]->Start({.fence = fence,
                        .members = members,
                        .rank = rank,
                        .options = options,
                        .transport = transport,
                        .local = locals[rank],
                        .base = base,
                        .shadow = shadows[rank],
                        .layout_hash = 5},
                       [promise](Result result) { promise->set_value(std::move(result)); });
    return promise->get_future();
  }
  std::vector<Result> Run(const Fence& fence) {
    std::vector<std::future<Result>> futures;
    for (std::uint32_t rank = 0; rank < members.size(); ++rank) {
      futures.push_back(Start(rank, fence));
    }
    std::vector<Result> results;
    for (auto& future : futures) results.push_back(Wait(future));
    return results;
  }
  static Result Wait(std::future<Result>& future) {
    if (future.wait_for(kDeadline) != std::future_status::ready) {
      ADD_FAILURE() << "the ring hangs";
      std::abort();  // Its thread still uses the buffers.
    }
    return future.get();
  }
  void ExpectMean(const std::vector<Result>& results) {
    const std::vector<float> expected = ReduceInRingOrder(locals, base, weights);
    const Hash128 root = RootOf(5, expected);
    for (std::size_t rank = 0; rank < results.size(); ++rank) {
      ASSERT_OK(results[rank]) << "rank " << rank;
      EXPECT_TRUE(shadows[rank] == expected) << "rank " << rank;
      EXPECT_EQ(results[rank]->root, root) << "rank " << rank;
    }
  }

  RingOptions options;
  RingTransport transport;
  std::vector<float> base;
  std::vector<std::vector<float>> locals, shadows;
  std::vector<float> weights;
  std::vector<RingMember> members;
  std::vector<std::unique_ptr<ZmqRing>> rings;
};

class ZmqRingOver : public testing::TestWithParam<RingTransport> {};

TEST_P(ZmqRingOver, GivesTheReferencesBitsForAnyLengthAndWorldSize) {
  for (const std::uint32_t world_size : {1U, 2U, 3U, 4U, 8U}) {
    for (const std::size_t floats :
         {std::size_t{1}, std::size_t{world_size} + 1, std::size_t{7919}, std::size_t{61706}}) {
      SCOPED_TRACE(testing::Message() << "K " << world_size << ", floats " << floats);
      Cluster cluster(world_size, floats, GetParam());
      for (std::uint32_t round = 1; round <= 3; ++round) {
        cluster.ExpectMean(cluster.Run(FenceOf(round)));
      }
    }
  }
}

TEST_P(ZmqRingOver, ARingOfFourInOneProcessWithSmallChunksAndWeights) {
  Cluster cluster(4, 1000003, GetParam(), {.chunk_bytes = kLeafBytes, .credits = 2});
  cluster.weights = {1, 0.25, 0, 3};
  for (std::uint32_t round = 1; round <= 5; ++round) {
    cluster.ExpectMean(cluster.Run(FenceOf(round)));
  }
}

TEST_P(ZmqRingOver, AnAbortInTheMiddleLeavesTheInputsAloneAndTheNextAttemptSucceeds) {
  Cluster cluster(3, 2000000, GetParam(), {.chunk_bytes = kLeafBytes});
  const auto locals = cluster.locals;
  const auto base = cluster.base;
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    std::vector<std::future<Cluster::Result>> futures;
    for (std::uint32_t rank = 0; rank < 3; ++rank) {
      futures.push_back(cluster.Start(rank, FenceOf(attempt)));
    }
    // Wait until chunks flow, but not always equally far.
    cluster.AwaitBytes(0, cluster.rings[0]->ProgressCounter() + attempt * 400000);
    for (auto& ring : cluster.rings) ring->Abort(FenceOf(attempt));
    for (auto& future : futures) {
      const auto result = Cluster::Wait(future);
      EXPECT_TRUE(result.ok() || absl::IsAborted(result.status())) << result.status();
    }
  }
  EXPECT_TRUE(cluster.locals == locals);
  EXPECT_TRUE(cluster.base == base);
  cluster.ExpectMean(cluster.Run(FenceOf(11)));
}

TEST_P(ZmqRingOver, ADyingSuccessorIsNamed) {
  Cluster cluster(3, 4000000, GetParam());
  auto first = cluster.Start(0, FenceOf(1));
  auto second = cluster.Start(1, FenceOf(1));
  cluster.AwaitBytes(1, 1);
  cluster.rings[1].reset();
  EXPECT_THAT(Cluster::Wait(second), HasCode(absl::StatusCode::kAborted));
  const auto result = Cluster::Wait(first);
  EXPECT_THAT(result, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(result, tests::HasMessage("connection from rank 0"));
}

TEST_P(ZmqRingOver, BytesStayWithinHalfAPercentOfTheBoundAndTheLedgerHasThemAll) {
  const std::size_t floats = 1000000;
  for (const std::uint32_t world_size : {2U, 4U}) {
    Cluster cluster(world_size, floats, GetParam());
    const auto results = cluster.Run(FenceOf(1));
    cluster.ExpectMean(results);
    const double bound = 2.0 * (world_size - 1) / world_size * 4 * floats;
    std::uint64_t booked = 0, reported = 0;
    for (std::uint32_t rank = 0; rank < world_size; ++rank) {
      EXPECT_LE(static_cast<double>(results[rank]->total_bytes), 1.005 * bound);
      EXPECT_GT(results[rank]->total_bytes, results[rank]->payload_bytes);
      booked += cluster.rings[rank]->SentBytes().Of(Traffic::kRing);
      reported += results[rank]->total_bytes;
    }
    // The listening side's half of each handshake belongs to no job.
    EXPECT_EQ(booked, reported + world_size * 107);
  }
}

TEST_P(ZmqRingOver, TenMillionFloats) {
  Cluster cluster(4, 10000000, GetParam());
  cluster.ExpectMean(cluster.Run(FenceOf(1)));
}

INSTANTIATE_TEST_SUITE_P(Transports, ZmqRingOver,
                         testing::Values(RingTransport::kTcp, RingTransport::kIpc),
                         [](const auto& info) {
                           return info.param == RingTransport::kTcp ? "Tcp" : "Ipc";
                         });

TEST(ZmqRing, ChoosesIpcOnOneHostOnly) {
  Cluster cluster(2, 10, RingTransport::kAuto);
  EXPECT_EQ(cluster.members[0].endpoint.ipc, "ipc://@rondo-" + cluster.members[0].node.ToString());
  EXPECT_EQ(cluster.members[0].endpoint.host_key, cluster.members[1].endpoint.host_key);
  cluster.members[0].endpoint.tcp = cluster.members[1].endpoint.tcp = "tcp://127.0.0.1:1";
  cluster.ExpectMean(cluster.Run(FenceOf(1)));

  Cluster apart(2, 10, RingTransport::kAuto);
  for (RingMember& member : apart.members) {
    member.endpoint.host_key = "elsewhere";
    member.endpoint.ipc = "ipc://@nobody";
  }
  apart.ExpectMean(apart.Run(FenceOf(1)));
}

TEST(ZmqRing, SurvivesANewViewAndANewRun) {
  Cluster cluster(3, 5000, RingTransport::kAuto);
  for (std::uint32_t view = 1; view <= 5; ++view) {
    cluster.ExpectMean(cluster.Run(FenceOf(view, view)));
    std::swap(cluster.members[0], cluster.members[view % 3]);  // Another order, other edges.
    std::swap(cluster.rings[0], cluster.rings[view % 3]);
  }
  Fence other = FenceOf(1);
  other.run = 41;
  cluster.ExpectMean(cluster.Run(other));
}

TEST(ZmqRing, EachJobTakesTheTransportItAsksFor) {
  Cluster cluster(2, 1000, RingTransport::kTcp);
  const std::vector<RingMember> members = cluster.members;
  for (RingMember& member : cluster.members) member.endpoint.ipc = "ipc://@rondo-nobody";
  cluster.ExpectMean(cluster.Run(FenceOf(1)));
  cluster.members = members;
  for (RingMember& member : cluster.members) member.endpoint.tcp = "tcp://nonsense";
  cluster.transport = RingTransport::kIpc;
  cluster.ExpectMean(cluster.Run(FenceOf(2)));
  cluster.transport = RingTransport::kAuto;
  cluster.ExpectMean(cluster.Run(FenceOf(3)));
  // On another host ipc leads nowhere, and auto takes tcp.
  cluster.members = members;
  cluster.members[1].endpoint.host_key = "another";
  cluster.transport = RingTransport::kIpc;
  auto future = cluster.Start(0, FenceOf(4));
  const auto result = Cluster::Wait(future);
  EXPECT_THAT(result, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_NE(result.status().message().find("another host"), std::string::npos) << result.status();
}

TEST(ZmqRing, EachJobTakesTheChunksItAsksFor) {
  // Two segments of 16 leaves: each member sends 2 chunks of 16 leaves, or 32 of one.
  Cluster cluster(2, 32 * kLeafFloats, RingTransport::kAuto, {.chunk_bytes = 16 * kLeafBytes});
  const auto large = cluster.Run(FenceOf(1));
  cluster.ExpectMean(large);
  cluster.options = {.chunk_bytes = kLeafBytes, .credits = 3};
  const auto small = cluster.Run(FenceOf(2));
  cluster.ExpectMean(small);
  EXPECT_EQ(small[0]->payload_bytes, large[0]->payload_bytes);
  // Thirty headers more, and as many credits.
  EXPECT_GT(small[0]->total_bytes, large[0]->total_bytes + 30 * 50);
  for (const RingOptions& wrong :
       {RingOptions{.chunk_bytes = 0}, RingOptions{.chunk_bytes = kLeafBytes + 1},
        RingOptions{.chunk_bytes = 2 * kMaxChunkBytes}, RingOptions{.credits = 0},
        RingOptions{.credits = kMaxCredits + 1}}) {
    cluster.options = wrong;
    auto future = cluster.Start(0, FenceOf(3));
    EXPECT_THAT(Cluster::Wait(future), HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST(ZmqRing, AnAddressThatCannotBeParsedIsAnError) {
  Cluster cluster(2, 10, RingTransport::kTcp);
  cluster.members[1].endpoint.tcp = "tcp://nonsense";
  auto future = cluster.Start(0, FenceOf(1));
  EXPECT_THAT(Cluster::Wait(future), HasCode(absl::StatusCode::kUnavailable));
}

TEST(ZmqRing, APortRangeInUseIsAnError) {
  Cluster cluster(1, 1, RingTransport::kTcp);
  const std::string address = cluster.members[0].endpoint.tcp;
  const int port = std::atoi(address.substr(address.rfind(':') + 1).c_str());
  EXPECT_THAT(ZmqRing::Create({.node = RandomNodeId(),
                               .listen = {.first_port = static_cast<std::uint16_t>(port),
                                          .last_port = static_cast<std::uint16_t>(port)}}),
              HasCode(absl::StatusCode::kUnavailable));
}

// A plain TCP connection to a member's port.
int ConnectTo(const RingMember& member) {
  const std::string& address = member.endpoint.tcp;
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

TEST(ZmqRing, JunkOnThePortDisturbsNothing) {
  Cluster cluster(3, 300000, RingTransport::kTcp);
  cluster.ExpectMean(cluster.Run(FenceOf(1)));
  std::mt19937 generator(3);
  std::vector<int> sockets;
  for (int i = 0; i < 200; ++i) {
    sockets.push_back(ConnectTo(cluster.members[static_cast<std::size_t>(i) % 3]));
    std::string junk = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    if (i % 2 == 0) {
      junk.resize(1 + generator() % 5000);
      for (char& byte : junk) byte = static_cast<char>(generator());
    }
    (void)!::send(sockets.back(), junk.data(), junk.size(), MSG_NOSIGNAL);
  }
  // Strangers that speak ZMTP, and one that claims to be the predecessor of an older fence.
  void* const context = zmq_ctx_new();
  void* const stranger = zmq_socket(context, ZMQ_DEALER);
  const int no_linger = 0;
  zmq_setsockopt(stranger, ZMQ_LINGER, &no_linger, sizeof(no_linger));
  ASSERT_EQ(zmq_connect(stranger, cluster.members[1].endpoint.tcp.c_str()), 0);
  RingEncoder encoder;
  for (int i = 0; i < 100; ++i) {
    zmq_send(stranger, "junk", i % 5, ZMQ_SNDMORE);
    for (int part = 0; part < i; ++part) zmq_send(stranger, "more", 4, ZMQ_SNDMORE);
    zmq_send(stranger, nullptr, 0, 0);
    ChunkHeader header = {.floats = 1};
    header.checksums.Append(0);
    const auto bytes = encoder.Encode({.fence = FenceOf(2), .body = header});
    zmq_send(stranger, bytes.data(), bytes.size(), ZMQ_SNDMORE);
    zmq_send(stranger, "1234", 4, 0);
  }
  for (std::uint32_t round = 2; round <= 6; ++round) {
    cluster.ExpectMean(cluster.Run(FenceOf(round)));
  }
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (cluster.rings[1]->Dropped().handshake < 100 &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(cluster.rings[1]->Dropped().handshake, 100U);
  // libzmq takes some of the random bytes for messages of ZMTP 1, so there are more.
  EXPECT_GE(cluster.rings[1]->Dropped().frame, 100U);
  cluster.ExpectMean(cluster.Run(FenceOf(7)));
  zmq_close(stranger);
  zmq_ctx_term(context);
  for (const int fd : sockets) ::close(fd);
}

// ------------------------------------------------------- a member that only opens connections ----

TEST(ZmqRing, AMemberToWhichNobodyCanConnectOpensBothOfItsEdges) {
  for (const std::uint32_t world_size : {2U, 3U, 4U}) {
    for (const std::size_t floats : {std::size_t{1}, std::size_t{61706}, std::size_t{1000003}}) {
      SCOPED_TRACE(testing::Message() << "K " << world_size << ", floats " << floats);
      Cluster cluster(world_size, floats, RingTransport::kTcp,
                      {.chunk_bytes = kLeafBytes, .credits = 2});
      for (std::uint32_t rank = 1; rank < world_size; rank += 2) {
        cluster.members[rank].endpoint.tcp.clear();
      }
      for (std::uint32_t round = 1; round <= 3; ++round) {
        cluster.ExpectMean(cluster.Run(FenceOf(round)));
      }
      cluster.ExpectMean(cluster.Run(FenceOf(4, /*view=*/2)));
      for (const auto& ring : cluster.rings) EXPECT_EQ(ring->Dropped().checksum, 0u);
    }
  }
}

TEST(ZmqRing, AnAbortOnAnEdgeThatTheNextMemberOpenedLeavesNothingBehind) {
  Cluster cluster(3, 2000000, RingTransport::kTcp, {.chunk_bytes = kLeafBytes});
  cluster.members[1].endpoint.tcp.clear();
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    std::vector<std::future<Cluster::Result>> futures;
    const std::uint64_t before = cluster.rings[0]->ProgressCounter();
    for (std::uint32_t rank = 0; rank < 3; ++rank) {
      futures.push_back(cluster.Start(rank, FenceOf(attempt)));
    }
    // Until chunks flow.
    cluster.AwaitBytes(0, before + 1);
    for (const auto& ring : cluster.rings) ring->Abort(FenceOf(attempt));
    for (auto& future : futures) {
      const Cluster::Result result = Cluster::Wait(future);
      // Who closes its connection first shows the other end of it that it is gone.
      EXPECT_TRUE(result.ok() || absl::IsAborted(result.status()) ||
                  absl::IsUnavailable(result.status()))
          << result.status();
    }
  }
  cluster.ExpectMean(cluster.Run(FenceOf(11)));
}

TEST(ZmqRing, ADyingPredecessorIsNamedByWhoeverConnectedToIt) {
  Cluster cluster(3, 1000000, RingTransport::kTcp, {.chunk_bytes = kLeafBytes});
  cluster.members[1].endpoint.tcp.clear();
  auto first = cluster.Start(0, FenceOf(1));
  auto second = cluster.Start(1, FenceOf(1));
  // Until they are connected; the third one never comes, so that it ends nowhere.
  cluster.AwaitBytes(1, 1);
  cluster.rings[0].reset();
  EXPECT_THAT(Cluster::Wait(first), HasCode(absl::StatusCode::kAborted));
  const Cluster::Result result = Cluster::Wait(second);
  ASSERT_THAT(result, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_NE(result.status().message().find("connection of rank 0"), std::string::npos)
      << result.status();
}

TEST(ZmqRing, TwoToWhichNobodyCanConnectAreNoNeighbours) {
  Cluster cluster(3, 1000, RingTransport::kTcp);
  cluster.members[1].endpoint.tcp.clear();
  cluster.members[2].endpoint.tcp.clear();
  auto first = cluster.Start(0, FenceOf(1));
  auto second = cluster.Start(1, FenceOf(1));
  EXPECT_THAT(Cluster::Wait(second), HasCode(absl::StatusCode::kUnavailable));
  cluster.rings[0]->Abort(FenceOf(1));
  EXPECT_THAT(Cluster::Wait(first), HasCode(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace runtime
