// Joining, living and dying, on a simulated network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/actor/membership_messages.h"
#include "runtime/actor/node.h"
#include "tests/support/counting.h"
#include "tests/support/sim_cluster.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::Count;
using tests::Counter;
using tests::CounterRecord;
using tests::CounterRef;
using tests::HasCode;
using tests::Puppet;
using tests::Read;
using tests::SimCluster;
using tests::Total;

#ifdef RONDO_SANITIZED
constexpr int kSlow = 5;
#else
constexpr int kSlow = 1;
#endif

void UseLan(NodeOptions& options) { options.liveness = LivenessProfile::Lan(); }

class MembershipTest : public testing::Test {
 protected:
  Node& AddHead(std::function<void(NodeOptions&)> adjust = {}) {
    Node& head = cluster_.AddHead([&](NodeOptions& options) {
      UseLan(options);
      if (adjust) adjust(options);
    });
    EXPECT_OK(head.Spawn("watcher", [this] { return std::make_unique<Counter>(record_); }));
    EXPECT_OK(head.Spawn("puppet", [this] {
      return std::make_unique<Puppet>([this](Context& context) {
        context_ = &context;
        return absl::OkStatus();
      });
    }));
    return head;
  }

  // What becomes of a node that joins.
  UserError Refusal(std::function<void(NodeOptions&)> adjust) {
    Node& node = cluster_.AddNode("joiner", adjust);
    cluster_.Start();
    EXPECT_TRUE(cluster_.RunUntil([&] { return node.Ended().has_value(); }, seconds(20)));
    EXPECT_FALSE(node.IsJoined());
    return node.Ended().has_value() ? ToUserError(*node.Ended()) : UserError{};
  }

  bool Join(Node& node) {
    cluster_.Start();
    return cluster_.RunUntil([&] { return node.IsJoined(); }, seconds(5));
  }

  // Outlives the actors, which write into it to their end.
  CounterRecord& NewRecord() { return records_.emplace_back(); }

  std::deque<CounterRecord> records_;
  CounterRecord record_;
  Context* context_ = nullptr;  // Of the head's puppet.
  SimCluster cluster_{7};
};

TEST_F(MembershipTest, AHeadAndItsNodesSeeEachOther) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0", [](NodeOptions& options) {
    options.details = "{\"threads\":1}";
    options.address = "10.0.0.5";
  });
  ASSERT_TRUE(Join(node));
  EXPECT_THAT(record_.nodes, ElementsAre("up worker-0"));
  const std::vector<NodeState> nodes = head.Nodes();
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].info.id, node.id());
  EXPECT_EQ(nodes[0].info.role, "worker");
  EXPECT_EQ(nodes[0].info.address, "10.0.0.5");
  EXPECT_EQ(nodes[0].info.details, "{\"threads\":1}");
  ASSERT_EQ(node.Nodes().size(), 1u);
}

TEST_F(MembershipTest, ANodeWaitsForAHeadThatStartsLater) {
  Node& node = cluster_.AddNode("early");
  cluster_.Start();
  cluster_.RunFor(seconds(3));
  EXPECT_FALSE(node.IsJoined());
  AddHead();
  EXPECT_TRUE(Join(node));
}

TEST_F(MembershipTest, WithoutAHeadJoiningEndsWithExitThree) {
  const UserError error = Refusal([](NodeOptions& options) { options.join_timeout = seconds(2); });
  EXPECT_EQ(error.code, "HEAD_UNREACHABLE");
  EXPECT_EQ(error.exit, Exit::kHeadUnreachable);
}

TEST_F(MembershipTest, RefusesAnotherProtocol) {
  AddHead();
  const UserError error = Refusal([](NodeOptions& options) { options.protocol = 9; });
  EXPECT_EQ(error.code, "PROTOCOL_MISMATCH");
  EXPECT_EQ(error.exit, Exit::kIncompatible);
  EXPECT_THAT(error.message, HasSubstr("version 9"));
}

TEST_F(MembershipTest, RefusesAnotherSchema) {
  AddHead();
  const UserError error = Refusal([](NodeOptions& options) { options.fingerprint ^= 1; });
  EXPECT_EQ(error.code, "SCHEMA_MISMATCH");
  EXPECT_EQ(error.exit, Exit::kIncompatible);
}

TEST_F(MembershipTest, RefusesAWrongToken) {
  Node& head = AddHead([](NodeOptions& options) { options.token = "sesame"; });
  const UserError error = Refusal([](NodeOptions& options) { options.token = "Sesame"; });
  EXPECT_EQ(error.code, "TOKEN_WRONG");
  EXPECT_EQ(error.exit, Exit::kRefused);
  EXPECT_EQ(Refusal([](NodeOptions& options) { options.token = ""; }).code, "TOKEN_WRONG");
  Node& friendly =
      cluster_.AddNode("friend", [](NodeOptions& options) { options.token = "sesame"; });
  EXPECT_TRUE(Join(friendly));
  EXPECT_EQ(head.Dropped().handshake, 2u);
  EXPECT_THAT(record_.nodes, ElementsAre("up friend"));
}

TEST_F(MembershipTest, TheLayerAboveHasTheLastWord) {
  AddHead([](NodeOptions& options) {
    options.admit = [](const NodeInfo& node) {
      return MakeError("HEAD_FULL", Exit::kTimedOut, "the head has 64 nodes",
                       "wait for " + node.name);
    };
  });
  const UserError error = Refusal([](NodeOptions&) {});
  EXPECT_EQ(error.code, "HEAD_FULL");
  EXPECT_EQ(error.exit, Exit::kTimedOut);
  EXPECT_EQ(error.hint, "wait for joiner");
}

TEST_F(MembershipTest, AKilledNodeIsDownWithinTheReconnectBound) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0");
  ASSERT_TRUE(Join(node));
  cluster_.RunFor(seconds(3));
  const Time killed = cluster_.Now();
  cluster_.Kill(node);
  ASSERT_TRUE(cluster_.RunUntil([&] { return head.Nodes().empty(); }, seconds(10)));
  EXPECT_LE(cluster_.Now() - killed, kSlow * milliseconds(600) + milliseconds(110));
  EXPECT_EQ(record_.nodes.size(), 2u);
  EXPECT_THAT(record_.nodes.back(), HasSubstr("connection was lost"));
}

TEST_F(MembershipTest, ANodeThatIsCutOffIsDownAndLearnsItWhenItIsBack) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0");
  CounterRecord& record = NewRecord();
  ASSERT_OK(node.Spawn("watcher", [&] { return std::make_unique<Counter>(record); }));
  ASSERT_TRUE(Join(node));
  cluster_.RunFor(seconds(2));
  // Only the head is deaf: the node hears it and goes on.
  cluster_.network().SetFate([&](const sim::Departure& departure) {
    return sim::Fate{.copies = departure.from == node.id() ? 0 : 1};
  });
  const Time cut = cluster_.Now();
  ASSERT_TRUE(cluster_.RunUntil([&] { return head.Nodes().empty(); }, seconds(10)));
  EXPECT_LE(cluster_.Now() - cut, kSlow * seconds(1) + milliseconds(310));
  EXPECT_THAT(record_.nodes.back(), HasSubstr("nothing heard"));
  ASSERT_TRUE(cluster_.RunUntil([&] { return node.Ended().has_value(); }, seconds(1)));
  EXPECT_EQ(ToUserError(*node.Ended()).exit, Exit::kEvicted);
  EXPECT_THAT(record.nodes.back(), HasSubstr("removed this node"));
}

TEST_F(MembershipTest, AnEvictedNodeThatHeardNothingIsToldWhenItSpeaks) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode(
      "worker-0", [](NodeOptions& options) { options.end_when_head_is_lost = false; });
  ASSERT_TRUE(Join(node));
  cluster_.network().Cut(head.id(), node.id());
  ASSERT_TRUE(cluster_.RunUntil([&] { return head.Nodes().empty(); }, seconds(10)));
  cluster_.network().Heal(head.id(), node.id());
  cluster_.RunFor(seconds(10));
  // Its late heartbeats changed nothing.
  EXPECT_TRUE(head.Nodes().empty());
  EXPECT_GT(head.Dropped().handshake, 0u);
  EXPECT_EQ(record_.nodes.size(), 2u);
}

TEST_F(MembershipTest, TheHeadEvictsAndSaysWhy) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0");
  ASSERT_TRUE(Join(node));
  context_->Evict(node.id(), MakeError("WORKER_STUCK", Exit::kEvicted, "it made no step"));
  ASSERT_TRUE(cluster_.RunUntil([&] { return node.Ended().has_value(); }, seconds(1)));
  EXPECT_EQ(ToUserError(*node.Ended()).code, "WORKER_STUCK");
  EXPECT_THAT(record_.nodes, ElementsAre("up worker-0", "down it made no step"));
  EXPECT_TRUE(head.Nodes().empty());
}

TEST_F(MembershipTest, ANodeThatLeavesIsDownAtOnceWithItsReason) {
  AddHead();
  Node& node = cluster_.AddNode("worker-0");
  ASSERT_TRUE(Join(node));
  node.Stop(milliseconds(100), "it has finished");
  ASSERT_TRUE(cluster_.RunUntil([&] { return record_.nodes.size() == 2; }, milliseconds(50)));
  EXPECT_EQ(record_.nodes.back(), "down it has finished");
}

TEST_F(MembershipTest, WithoutItsHeadANodeEndsAndItsQuestionsAreAnswered) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0");
  CounterRecord& record = NewRecord();
  Context* context = nullptr;
  ASSERT_OK(node.Spawn("watcher", [&] { return std::make_unique<Counter>(record); }));
  ASSERT_OK(node.Spawn("puppet", [&] {
    return std::make_unique<Puppet>([&](Context& mine) {
      context = &mine;
      return absl::OkStatus();
    });
  }));
  ASSERT_TRUE(Join(node));
  std::optional<absl::StatusOr<Total>> answer;
  context->Ask(CounterRef{{kHeadNode, ActorIdOf("watcher")}}, tests::Ignore{}, seconds(600),
               [&](absl::StatusOr<Total> total) { answer = std::move(total); });
  cluster_.RunFor(seconds(1));
  cluster_.Kill(head);
  ASSERT_TRUE(cluster_.RunUntil([&] { return node.Ended().has_value(); }, seconds(10)));
  EXPECT_EQ(ToUserError(*node.Ended()).code, "HEAD_LOST");
  EXPECT_EQ(ToUserError(*node.Ended()).exit, Exit::kHeadUnreachable);
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(*answer, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(record.nodes, ElementsAre("up head", HasSubstr("the head is gone")));
  EXPECT_THAT(context->Tell(CounterRef{{kHeadNode, ActorIdOf("watcher")}}, Count{}),
              HasCode(absl::StatusCode::kUnavailable));
}

TEST_F(MembershipTest, ANodeThatRejoinsFindsTheHeadThatIsStartedAnewHoweverLate) {
  for (const Duration down : {Duration(milliseconds(10)), Duration(seconds(30))}) {
    SCOPED_TRACE(ToSeconds(down));
    SimCluster cluster(7);
    Node& head = cluster.AddHead(UseLan);
    Node& node = cluster.AddNode("worker-0", [](NodeOptions& options) { options.rejoin = true; });
    CounterRecord& record = NewRecord();
    ASSERT_OK(node.Spawn("watcher", [&] { return std::make_unique<Counter>(record); }));
    cluster.Start();
    ASSERT_TRUE(cluster.RunUntil([&] { return node.IsJoined(); }, seconds(5)));
    cluster.Kill(head);
    cluster.RunFor(down);
    Node& next = cluster.AddHead(UseLan);
    cluster.Start();
    ASSERT_TRUE(cluster.RunUntil([&] { return next.Nodes().size() == 1; }, kSlow * seconds(5)));
    cluster.RunFor(kSlow * seconds(5));
    EXPECT_EQ(next.Nodes().size(), 1u);
    EXPECT_FALSE(node.Ended().has_value());
    ASSERT_EQ(record.nodes.size(), 3u);
    EXPECT_EQ(record.nodes[0], "up head");
    EXPECT_EQ(record.nodes[2], "up head");
  }
}

TEST_F(MembershipTest, ANodeThatRejoinsAndWasEvictedMeanwhileEnds) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0", [](NodeOptions& options) { options.rejoin = true; });
  Node& other = cluster_.AddNode("worker-1");
  ASSERT_TRUE(Join(node));
  ASSERT_TRUE(Join(other));
  cluster_.network().Cut(node.id(), head.id());
  ASSERT_TRUE(cluster_.RunUntil([&] { return head.Nodes().size() == 1; }, kSlow * seconds(3)));
  cluster_.RunFor(kSlow * seconds(2));
  EXPECT_FALSE(node.Ended().has_value());  // It does not know yet.
  cluster_.network().Heal(node.id(), head.id());
  ASSERT_TRUE(cluster_.RunUntil([&] { return node.Ended().has_value(); }, kSlow * seconds(5)));
  EXPECT_EQ(ToUserError(*node.Ended()).exit, Exit::kEvicted);
}

// protocol.md 6: the head suspects itself, and takes all back when they return.
TEST_F(MembershipTest, AHeadThatHearsNobodyEvictsNobody) {
  Node& head = AddHead([](NodeOptions& options) { options.witness_role = "worker"; });
  Node& one = cluster_.AddNode("worker-0", [](NodeOptions& options) { options.rejoin = true; });
  Node& two = cluster_.AddNode("worker-1", [](NodeOptions& options) { options.rejoin = true; });
  ASSERT_TRUE(Join(one));
  ASSERT_TRUE(Join(two));
  for (Node* const node : {&one, &two}) cluster_.network().Cut(node->id(), head.id());
  cluster_.RunFor(seconds(60));
  ASSERT_EQ(head.Nodes().size(), 2u);
  for (const NodeState& node : head.Nodes()) EXPECT_TRUE(node.suspect);
  for (Node* const node : {&one, &two}) cluster_.network().Heal(node->id(), head.id());
  cluster_.RunFor(seconds(10));
  ASSERT_EQ(head.Nodes().size(), 2u);
  for (const NodeState& node : head.Nodes()) EXPECT_FALSE(node.suspect);
  EXPECT_FALSE(one.Ended().has_value() || two.Ended().has_value());
}

TEST_F(MembershipTest, AHeadThatStopsSaysSo) {
  Node& head = AddHead();
  Node& node = cluster_.AddNode("worker-0");
  ASSERT_TRUE(Join(node));
  head.Stop(milliseconds(100), "rondo down");
  ASSERT_TRUE(cluster_.RunUntil([&] { return node.Ended().has_value(); }, milliseconds(50)));
  EXPECT_EQ(ToUserError(*node.Ended()).code, "HEAD_STOPPED");
}

TEST_F(MembershipTest, ProgressCountersArriveWithTheHeartbeats) {
  Node& head = AddHead();
  auto steps = std::make_shared<std::atomic<std::uint64_t>>(0);
  Node& node =
      cluster_.AddNode("worker-0", [&](NodeOptions& options) { options.progress = {steps}; });
  ASSERT_TRUE(Join(node));
  *steps = 42;
  cluster_.RunFor(seconds(1));
  EXPECT_THAT(head.Nodes().at(0).progress, ElementsAre(42u));
}

TEST_F(MembershipTest, StrangersAreNotListenedTo) {
  Node& head = AddHead();
  cluster_.Start();
  auto transport = cluster_.network().MakeNode({66, 6});
  struct Deaf : TransportListener {
    void OnFrame(NodeId, Frame) override {}
    void OnDisconnected(NodeId, absl::Status) override {}
  } deaf;
  ASSERT_OK(transport->Start(deaf));
  const auto frame = [&](ActorId actor, NodeId from) {
    return BuildFrame({.to = kHeadNode, .to_actor = actor, .from = from, .type = TypeIdOf<Count>()},
                      [](capnp::AnyPointer::Builder body) {
                        Count{.amount = 7}.Encode(body.initAs<schema::Count>());
                      });
  };
  ASSERT_OK(transport->Send(kHeadNode, Traffic::kControl, frame(ActorIdOf("watcher"), {66, 6})));
  ASSERT_OK(transport->Send(kHeadNode, Traffic::kControl, frame(ActorIdOf("watcher"), head.id())));
  cluster_.RunFor(milliseconds(100));
  EXPECT_EQ(head.Dropped().handshake, 2u);
  EXPECT_TRUE(head.Nodes().empty());
}

TEST_F(MembershipTest, AMemberThatFloodsTheHeadIsCutOffAndTheOthersAreNot) {
  Node& head = AddHead([](NodeOptions& options) { options.mailbox.control_letters = 1000; });
  Node& good = cluster_.AddNode("good");
  Node& flooder = cluster_.AddNode("flooder");
  Context* context = nullptr;
  ASSERT_OK(flooder.Spawn("puppet", [&] {
    return std::make_unique<Puppet>([&](Context& mine) {
      context = &mine;
      return absl::OkStatus();
    });
  }));
  ASSERT_TRUE(Join(good));
  ASSERT_TRUE(Join(flooder));
  // All arrive at one moment, in which the head handles none of them: as if it were stopped.
  for (int i = 0; i < 5000; ++i) {
    ASSERT_OK(context->Tell(CounterRef{{kHeadNode, ActorIdOf("watcher")}}, Count{}));
  }
  const Time end = cluster_.Now() + milliseconds(50);
  while (cluster_.scheduler().NextTime().value_or(end) < end) cluster_.scheduler().RunNext();
  ASSERT_TRUE(cluster_.RunUntil([&] { return head.Nodes().size() == 1; }, seconds(1)));
  EXPECT_EQ(head.Nodes()[0].info.id, good.id());
  EXPECT_GE(head.Dropped().full, 3000u);
  EXPECT_THAT(record_.nodes.back(), HasSubstr("flood"));
}

}  // namespace
}  // namespace runtime
