// Nodes with real threads and real sockets.
#include "runtime/actor/node_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "runtime/actor/thread_executor.h"
#include "runtime/base/random.h"
#include "runtime/net/zmq_transport.h"
#include "tests/support/counting.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using tests::Break;
using tests::Count;
using tests::Counter;
using tests::CounterRecord;
using tests::CounterRef;
using tests::HasCode;
using tests::Puppet;
using tests::Read;
using tests::Total;

Time In(Duration duration) { return std::chrono::steady_clock::now() + duration; }

ZmqTransportOptions Listen(NodeId id) {
  return {.self = id,
          .role = ZmqTransportOptions::Role::kListen,
          .address = *ParseListenAddress("tcp://127.0.0.1:0")};
}

ZmqTransportOptions Connect(NodeId id, const Address& address) {
  return {.self = id, .role = ZmqTransportOptions::Role::kConnect, .address = address};
}

// A head on loopback with a counter.
class NodeThreadTest : public testing::Test {
 protected:
  NodeThreadTest()
      : transport_(Listen(id_)),
        head_({.id = id_, .name = "head", .is_head = true}, clock_, transport_),
        thread_(head_) {
    EXPECT_OK(head_.Spawn("counter", [this] { return std::make_unique<Counter>(record_); }));
    EXPECT_OK(thread_.Start());
  }

  static CounterRef TheCounter() { return {.address = {kHeadNode, ActorIdOf("counter")}}; }

  const SteadyClock clock_;
  const NodeId id_ = RandomNodeId();
  CounterRecord record_;  // The head's actor thread's, until it has stopped.
  ZmqTransport transport_;
  Node head_;
  NodeThread thread_;
};

TEST_F(NodeThreadTest, ANodeJoinsAsksAndStops) {
  const NodeId id = RandomNodeId();
  ZmqTransport transport(Connect(id, transport_.control_address()));
  Node node({.id = id, .name = "worker", .role = "worker"}, clock_, transport);
  std::atomic<std::uint64_t> total{0};
  ASSERT_OK(node.Spawn("asker", [&] {
    struct Asker : TypedActor<Asker, Protocol<tests::Unknown>> {
      explicit Asker(std::atomic<std::uint64_t>& total) : total(total) {}
      absl::Status On(Context&, const tests::Unknown&) { return absl::OkStatus(); }
      absl::Status OnNodeUp(Context& context, const NodeInfo& head) override {
        for (int i = 0; i < 100; ++i) {
          if (const auto told = context.Tell(TheCounter(), Count{.amount = 2}); !told.ok()) {
            return told;
          }
        }
        context.Ask(TheCounter(), Read{}, seconds(30), [this](absl::StatusOr<Total> answer) {
          total = answer.ok() ? answer->value : 1;
        });
        return absl::OkStatus();
      }
      std::atomic<std::uint64_t>& total;
    };
    return std::make_unique<Asker>(total);
  }));
  NodeThread thread(node);
  ASSERT_OK(thread.Start());
  EXPECT_OK(node.WaitJoined(In(seconds(30))));
  const Time end = In(seconds(30));
  EXPECT_OK(thread.RunUntil([&] { return total != 0 || clock_.Now() > end; }));
  EXPECT_EQ(total, 200u);
  EXPECT_EQ(head_.Nodes().size(), 1u);
  EXPECT_OK(thread.Stop(seconds(30)));
  const Time left = In(seconds(30));
  EXPECT_OK(thread_.RunUntil([&] { return head_.Nodes().empty() || clock_.Now() > left; }));
  EXPECT_TRUE(head_.Nodes().empty());
}

TEST_F(NodeThreadTest, ARefusalReachesWhoeverWaits) {
  const NodeId id = RandomNodeId();
  ZmqTransport transport(Connect(id, transport_.control_address()));
  Node node({.id = id, .token = "wrong"}, clock_, transport);
  NodeThread thread(node);
  ASSERT_OK(thread.Start());
  const absl::Status joined = node.WaitJoined(In(seconds(30)));
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(ToUserError(joined).code, "TOKEN_WRONG");
  EXPECT_FALSE(thread.RunUntil([] { return false; }).ok());
}

TEST_F(NodeThreadTest, AnotherSchemaIsRefusedOverTheWire) {
  const NodeId id = RandomNodeId();
  ZmqTransport transport(Connect(id, transport_.control_address()));
  Node node({.id = id, .fingerprint = 5}, clock_, transport);
  NodeThread thread(node);
  ASSERT_OK(thread.Start());
  EXPECT_EQ(ToUserError(node.WaitJoined(In(seconds(30)))).code, "SCHEMA_MISMATCH");
}

TEST_F(NodeThreadTest, ManyNodesComeAndGoWhileOthersTalk) {
  for (int round = 0; round < 3; ++round) {
    struct Member {
      NodeId id = RandomNodeId();
      ZmqTransport transport;
      Node node;
      NodeThread thread;
      Member(const Address& address, const Clock& clock)
          : transport(Connect(id, address)), node({.id = id}, clock, transport), thread(node) {}
    };
    std::vector<std::unique_ptr<Member>> members;
    for (int i = 0; i < 4; ++i) {
      members.push_back(std::make_unique<Member>(transport_.control_address(), clock_));
      ASSERT_OK(members.back()->node.Spawn("talker", [] {
        return std::make_unique<Puppet>([](Context& context) {
          context.After(milliseconds(1),
                        [&context] { (void)context.Tell(TheCounter(), Count{.amount = 1}); });
          return absl::OkStatus();
        });
      }));
      ASSERT_OK(members.back()->thread.Start());
    }
    for (auto& member : members) EXPECT_OK(member->node.WaitJoined(In(seconds(60))));
  }  // All stop in their destructors.
}

TEST_F(NodeThreadTest, PostersBringWorkBackFromAnotherThread) {
  std::atomic<int> posted{0};
  std::atomic<bool> right_thread{true};
  const NodeId other = RandomNodeId();
  ZmqTransport transport(Listen(other));
  Node worker({.id = other, .is_head = true}, clock_, transport);
  ThreadExecutor executor({});
  ASSERT_OK(worker.Spawn("trainer", [&] {
    return std::make_unique<Puppet>([&](Context& context) {
      const auto home = std::this_thread::get_id();
      for (int i = 0; i < 100; ++i) {
        executor.Run([&, home, poster = context.poster()] {
          poster.Post([&, home] {
            if (std::this_thread::get_id() != home) right_thread = false;
            ++posted;
          });
        });
      }
      return absl::OkStatus();
    });
  }));
  NodeThread thread(worker);
  ASSERT_OK(thread.Start());
  const Time end = In(seconds(30));
  EXPECT_OK(thread.RunUntil([&] { return posted == 100 || clock_.Now() > end; }));
  EXPECT_EQ(posted, 100);
  EXPECT_TRUE(right_thread);
}

TEST(NodeThread, AHandlerThatDoesNotReturnIsToldByItsDeadline) {
  const SteadyClock clock;
  const NodeId id = RandomNodeId();
  ZmqTransport transport(Listen(id));
  Node node({.id = id, .is_head = true}, clock, transport);
  std::atomic<bool> inside{false};
  std::atomic<bool> release{false};
  ASSERT_OK(node.Spawn("stuck", [&] {
    return std::make_unique<Puppet>([&](Context&) {
      inside = true;
      while (!release) std::this_thread::yield();
      return absl::OkStatus();
    });
  }));
  NodeThread thread(node);
  ASSERT_OK(thread.Start());
  while (!inside) std::this_thread::yield();
  EXPECT_THAT(thread.Stop(milliseconds(20)), HasCode(absl::StatusCode::kDeadlineExceeded));
  release = true;
  EXPECT_OK(thread.Stop(seconds(30)));
}

}  // namespace
}  // namespace runtime
