// Nodes and their actors on a simulated network.
#include "runtime/actor/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/counting.h"
#include "tests/support/sim_cluster.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::Blob;
using tests::Break;
using tests::Count;
using tests::Counter;
using tests::CounterRecord;
using tests::CounterRef;
using tests::HasCode;
using tests::Ignore;
using tests::Puppet;
using tests::Read;
using tests::SimCluster;
using tests::Total;
using tests::Unknown;

// A head with a counter, and a member from which the test acts.
class NodeTest : public testing::Test {
 protected:
  NodeTest() {
    EXPECT_OK(head_.Spawn("counter", [this] { return std::make_unique<Counter>(record_); }));
    EXPECT_OK(head_.Spawn("puppet", PuppetOf(head_context_)));
    EXPECT_OK(member_.Spawn("puppet", PuppetOf(context_)));
    cluster_.Start();
    EXPECT_TRUE(cluster_.RunUntil([&] { return member_.IsJoined(); }, seconds(2)));
  }

  static ActorFactory PuppetOf(Context*& context) {
    return [&context] {
      return std::make_unique<Puppet>([&context](Context& mine) {
        context = &mine;
        return absl::OkStatus();
      });
    };
  }

  CounterRef counter(NodeId node = kHeadNode, const std::string& name = "counter") const {
    return {.address = {.node = node, .actor = ActorIdOf(name)}};
  }

  // The answer that `context` gets to `question` within the timeout and a little more.
  template <typename Q>
  absl::StatusOr<Total> Asked(Context& context, const CounterRef& whom, const Q& question,
                              Duration timeout = seconds(1)) {
    std::optional<absl::StatusOr<Total>> answer;
    context.Ask(whom, question, timeout,
                [&](absl::StatusOr<Total> total) { answer = std::move(total); });
    EXPECT_FALSE(answer.has_value()) << "answered inside of Ask";
    const bool answered =
        cluster_.RunUntil([&] { return answer.has_value(); }, timeout + milliseconds(1));
    EXPECT_TRUE(answered) << "no answer by the deadline";
    return answer.value_or(absl::InternalError("never"));
  }

  // Outlives the actors, which write into it to their end.
  CounterRecord& NewRecord() { return records_.emplace_back(); }

  std::deque<CounterRecord> records_;
  CounterRecord record_;
  Context* context_ = nullptr;
  Context* head_context_ = nullptr;
  SimCluster cluster_{1};
  Node& head_ = cluster_.AddHead();
  Node& member_ = cluster_.AddNode("worker-0");
};

TEST_F(NodeTest, ToldAndAskedAcrossTheNetwork) {
  ASSERT_OK(context_->Tell(counter(), Count{.amount = 4}));
  ASSERT_OK(context_->Tell(counter(), Count{.amount = 5}));
  const auto total = Asked(*context_, counter(), Read{});
  ASSERT_OK(total);
  EXPECT_EQ(total->value, 9u);
  // By the head's incarnation, which a name resolves to, as well as by its role.
  EXPECT_OK(Asked(*context_, counter(head_.id()), Read{}));
}

TEST_F(NodeTest, ToldAndAskedWithinANode) {
  ASSERT_OK(head_context_->Tell(counter(), Count{.amount = 3}));
  EXPECT_EQ(Asked(*head_context_, counter(head_.id()), Read{})->value, 3u);
  EXPECT_EQ(Asked(*head_context_, counter(kHeadNode), Read{})->value, 3u);
}

TEST_F(NodeTest, NodesReachEachOtherThroughTheHead) {
  CounterRecord& record = NewRecord();
  Node& other = cluster_.AddNode("worker-1");
  ASSERT_OK(other.Spawn("counter", [&] { return std::make_unique<Counter>(record); }));
  cluster_.Start();
  ASSERT_TRUE(cluster_.RunUntil([&] { return other.IsJoined(); }, seconds(2)));
  ASSERT_OK(context_->Tell(counter(other.id()), Count{.amount = 8}));
  EXPECT_EQ(Asked(*context_, counter(other.id()), Read{})->value, 8u);
  cluster_.Stop(other);
  cluster_.RunFor(milliseconds(100));
  EXPECT_THAT(Asked(*context_, counter(other.id()), Read{}),
              HasCode(absl::StatusCode::kUnavailable));
}

TEST_F(NodeTest, WithoutAnAnswerTheAskerHearsOfItsDeadline) {
  const Time asked = cluster_.Now();
  EXPECT_THAT(Asked(*context_, counter(), Ignore{}, milliseconds(300)),
              HasCode(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(cluster_.Now() - asked, milliseconds(300));
}

TEST_F(NodeTest, NobodyWaitsForAnActorThatIsNotThere) {
  EXPECT_THAT(Asked(*context_, counter(kHeadNode, "nobody"), Read{}),
              HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(head_.Dropped().actor, 1u);
}

TEST_F(NodeTest, AnUnacceptedOrUndecodableMessageIsCountedAndHarmsNobody) {
  // A reference of the wrong type, as an older build might hold.
  const ActorRef<Protocol<Unknown>> wrong{.address = counter().address};
  ASSERT_OK(context_->Tell(wrong, Unknown{}));
  ASSERT_OK(context_->Tell(counter(), Count{.amount = 1u << 30}));
  EXPECT_OK(Asked(*context_, counter(), Read{}));
  EXPECT_EQ(head_.Dropped().actor, 1u);
  EXPECT_EQ(head_.Dropped().decode, 1u);
  EXPECT_EQ(record_.lives, 1u);
}

TEST_F(NodeTest, AFailedActorStartsAgainUnderTheSameAddress) {
  ASSERT_OK(context_->Tell(counter(), Count{.amount = 4}));
  ASSERT_OK(context_->Tell(counter(), Break{.how = Break::kError}));
  ASSERT_OK(context_->Tell(counter(), Break{.how = Break::kException}));
  ASSERT_TRUE(cluster_.RunUntil([&] { return record_.lives == 2; }, seconds(2)));
  // The second order waited for the second life, and ended it.
  ASSERT_TRUE(cluster_.RunUntil([&] { return record_.lives == 3; }, seconds(2)));
  const auto total = Asked(*context_, counter(), Read{});
  ASSERT_OK(total);
  EXPECT_EQ(total->value, 0u);
  EXPECT_EQ(total->life, 3u);
  EXPECT_EQ(head_.restarts(), 2u);
  EXPECT_EQ(record_.stops, 0u);
  // Each life was told who is there.
  EXPECT_THAT(record_.nodes, ElementsAre("up worker-0", "up worker-0", "up worker-0"));
}

TEST_F(NodeTest, BetweenTwoLivesAsksAreRefusedAndWhatWasToldIsKept) {
  ASSERT_OK(head_context_->Tell(counter(), Break{}));
  ASSERT_OK(head_context_->Tell(counter(), Count{.amount = 6}));
  const auto refused = Asked(*head_context_, counter(), Read{});
  EXPECT_THAT(refused, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(refused, tests::HasMessage("being restarted"));
  ASSERT_TRUE(cluster_.RunUntil([&] { return record_.lives == 2; }, seconds(2)));
  EXPECT_EQ(Asked(*head_context_, counter(), Read{})->value, 6u);
}

TEST_F(NodeTest, AQuestionInAnActorsHandsIsAnsweredWhenTheActorDies) {
  std::optional<absl::StatusOr<Total>> answer;
  context_->Ask(counter(), Ignore{}, seconds(60),
                [&](absl::StatusOr<Total> total) { answer = std::move(total); });
  ASSERT_OK(context_->Tell(counter(), Break{}));
  ASSERT_TRUE(cluster_.RunUntil([&] { return answer.has_value(); }, seconds(1)));
  EXPECT_THAT(*answer, HasCode(absl::StatusCode::kUnavailable));
}

TEST_F(NodeTest, AnActorThatFailsTooOftenEndsItsNodeWithItsError) {
  ASSERT_OK(head_.Spawn("fragile", [this] { return std::make_unique<Counter>(record_); },
                        {.max_restarts = 1}));
  const CounterRef fragile = counter(kHeadNode, "fragile");
  ASSERT_OK(head_context_->Tell(fragile, Break{}));
  cluster_.RunFor(seconds(1));
  EXPECT_FALSE(head_.Ended().has_value());
  ASSERT_OK(head_context_->Tell(fragile, Break{}));
  cluster_.RunFor(seconds(1));
  ASSERT_TRUE(head_.Ended().has_value());
  EXPECT_EQ(*head_.Ended(), absl::InternalError("it was told to break"));
}

TEST_F(NodeTest, TimersFireOnceInOrderAndNotWhenCancelledOrTheirActorEnded) {
  std::vector<std::string> fired;
  context_->After(milliseconds(20), [&] { fired.push_back("second"); });
  context_->After(milliseconds(10), [&] { fired.push_back("first"); });
  const TimerId cancelled = context_->After(milliseconds(15), [&] { fired.push_back("never"); });
  context_->Cancel(cancelled);
  context_->After(milliseconds(500), [&] { fired.push_back("of a stopped actor"); });
  cluster_.RunFor(milliseconds(100));
  EXPECT_THAT(fired, ElementsAre("first", "second"));
  context_->Stop(context_->self().actor);
  cluster_.RunFor(seconds(1));
  EXPECT_EQ(fired.size(), 2u);
}

TEST_F(NodeTest, ATimerThatSetsItselfAgainWithoutDelayStopsNobody) {
  std::uint64_t fired = 0;
  std::function<void()> again = [&] {
    if (++fired < 1000) context_->After(Duration::zero(), again);
  };
  context_->After(Duration::zero(), again);
  EXPECT_OK(Asked(*context_, counter(), Read{}));
  EXPECT_EQ(fired, 1000u);
}

TEST_F(NodeTest, APosterBelongsToOneLife) {
  int posted = 0;
  const Poster poster = head_context_->poster();
  poster.Post([&] { ++posted; });
  cluster_.RunFor(milliseconds(1));
  EXPECT_EQ(posted, 1);
  head_context_->Stop(head_context_->self().actor);
  cluster_.RunFor(milliseconds(1));
  poster.Post([&] { ++posted; });
  cluster_.RunFor(milliseconds(1));
  EXPECT_EQ(posted, 1);
  cluster_.Kill(head_);
  poster.Post([&] { ++posted; });  // The node is gone; nothing happens.
  Poster().Post([&] { ++posted; });
  EXPECT_EQ(posted, 1);
}

TEST_F(NodeTest, AnActorStartsAnotherAndStopsIt) {
  CounterRecord& record = NewRecord();
  const auto factory = [&] { return std::make_unique<Counter>(record); };
  ASSERT_OK(context_->Spawn("child", factory, {}));
  EXPECT_THAT(context_->Spawn("child", factory, {}), HasCode(absl::StatusCode::kAlreadyExists));
  ASSERT_OK(context_->Tell(counter(member_.id(), "child"), Count{.amount = 2}));
  EXPECT_EQ(Asked(*context_, counter(member_.id(), "child"), Read{})->value, 2u);
  EXPECT_THAT(record.nodes, ElementsAre("up head"));
  context_->Stop(ActorIdOf("child"));
  EXPECT_THAT(Asked(*context_, counter(member_.id(), "child"), Read{}),
              HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(record.stops, 1u);
  EXPECT_OK(context_->Spawn("child", factory, {}));
  EXPECT_EQ(Asked(*context_, counter(member_.id(), "child"), Read{})->life, 2u);
}

TEST_F(NodeTest, TheHeadStartsActorsOfRegisteredKindsOnItsNodes) {
  CounterRecord& record = NewRecord();
  member_.RegisterKind("counter", [&] { return std::make_unique<Counter>(record); });
  const auto spawn = [&](Context& context, NodeId node, const std::string& kind) {
    std::optional<absl::StatusOr<ActorAddress>> result;
    context.SpawnOn(node, kind, "remote",
                    [&](absl::StatusOr<ActorAddress> address) { result = std::move(address); });
    cluster_.RunUntil([&] { return result.has_value(); }, seconds(1));
    return result.value_or(absl::InternalError("never"));
  };
  const auto address = spawn(*head_context_, member_.id(), "counter");
  ASSERT_OK(address);
  EXPECT_EQ(*address, (ActorAddress{member_.id(), ActorIdOf("remote")}));
  EXPECT_OK(Asked(*head_context_, CounterRef{*address}, Read{}));
  // As a head that was started anew does.
  EXPECT_OK(spawn(*head_context_, member_.id(), "counter"));
  EXPECT_THAT(spawn(*head_context_, member_.id(), "painter"), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(spawn(*context_, head_.id(), "counter"),
              HasCode(absl::StatusCode::kPermissionDenied));
}

TEST_F(NodeTest, NamesAreKeptByTheHeadAndFreedWithTheirNode) {
  const auto resolve = [&](Duration timeout) {
    std::optional<absl::StatusOr<ActorAddress>> result;
    head_context_->Resolve("table", timeout, [&](absl::StatusOr<ActorAddress> address) {
      result = std::move(address);
    });
    cluster_.RunUntil([&] { return result.has_value(); }, timeout);
    return result.value_or(absl::InternalError("never"));
  };
  EXPECT_FALSE(resolve(milliseconds(50)).ok());

  std::vector<absl::Status> registered;
  // Whoever resolves first waits for the name.
  context_->After(milliseconds(100), [&] {
    context_->Register("table", [&](absl::Status status) { registered.push_back(status); });
  });
  const auto address = resolve(seconds(1));
  ASSERT_OK(address);
  EXPECT_EQ(*address, context_->self());
  cluster_.RunFor(milliseconds(100));

  head_context_->Register("table", [&](absl::Status status) { registered.push_back(status); });
  cluster_.RunFor(milliseconds(100));
  ASSERT_EQ(registered.size(), 2u);
  EXPECT_OK(registered[0]);
  EXPECT_THAT(registered[1], HasCode(absl::StatusCode::kAlreadyExists));

  cluster_.Kill(member_);
  cluster_.RunFor(seconds(1) * 6);
  EXPECT_FALSE(resolve(milliseconds(50)).ok());
}

TEST_F(NodeTest, WhatTheHeadPublishesReachesTheActorsOfThatName) {
  CounterRecord& record = NewRecord();
  ASSERT_OK(member_.Spawn("listener", [&] { return std::make_unique<Counter>(record); }));
  ASSERT_OK(
      (head_context_->Publish<Count, tests::CounterProtocol>("listener", Count{.amount = 5})));
  cluster_.RunFor(milliseconds(100));
  EXPECT_EQ(Asked(*context_, counter(member_.id(), "listener"), Read{})->value, 5u);
  EXPECT_THAT((context_->Publish<Count, tests::CounterProtocol>("listener", Count{})),
              HasCode(absl::StatusCode::kFailedPrecondition));
}

TEST_F(NodeTest, AFullDataLaneIsTheSendersToKnow) {
  Node& small =
      cluster_.AddNode("small", [](NodeOptions& options) { options.mailbox.data_bytes = 10000; });
  Context* context = nullptr;
  CounterRecord& record = NewRecord();
  ASSERT_OK(small.Spawn("counter", [&] { return std::make_unique<Counter>(record); }));
  ASSERT_OK(small.Spawn("puppet", PuppetOf(context)));
  cluster_.Start();
  ASSERT_TRUE(cluster_.RunUntil([&] { return small.IsJoined(); }, seconds(2)));
  const CounterRef local = counter(small.id());
  absl::Status status;
  std::uint64_t taken = 0;
  while ((status = context->Tell(local, Blob{.size = 1000})).ok()) ASSERT_LT(++taken, 100u);
  EXPECT_THAT(status, HasCode(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(small.Dropped().full, 1u);
  EXPECT_OK(Asked(*context, local, Read{}));
  EXPECT_EQ(record.blobs, taken);
}

TEST_F(NodeTest, AMessageTooLongForAFrameIsRefused) {
  EXPECT_THAT(context_->Tell(counter(), Blob{.size = kMaxFrameBytes}),
              HasCode(absl::StatusCode::kInvalidArgument));
}

TEST_F(NodeTest, AnActorThatFloodsItsOwnNodeEndsIt) {
  absl::Status status;
  int told = 0;
  while ((status = context_->Tell(counter(member_.id(), "puppet"), Count{})).ok()) {
    ASSERT_LT(++told, 1'000'000);
  }
  EXPECT_THAT(status, HasCode(absl::StatusCode::kInternal));
  ASSERT_TRUE(member_.Ended().has_value());
  EXPECT_THAT(std::string(member_.Ended()->message()), HasSubstr("flood"));
}

// Notes the order in which the actors of a node stop.
class Stopper final : public TypedActor<Stopper, Protocol<Unknown>> {
 public:
  Stopper(std::string name, std::vector<std::string>& stops)
      : name_(std::move(name)), stops_(stops) {}
  absl::Status On(Context& context, const Unknown& message) { return absl::OkStatus(); }
  void OnStop(Context& context) override { stops_.push_back(name_); }

 private:
  const std::string name_;
  std::vector<std::string>& stops_;
};

TEST(Node, StopsItsActorsInReverseOrderOfTheirStart) {
  std::vector<std::string> stops;
  SimCluster cluster(1);
  Node& head = cluster.AddHead();
  for (const std::string name : {"a", "b", "c"}) {
    ASSERT_OK(head.Spawn(name, [&stops, name] { return std::make_unique<Stopper>(name, stops); }));
  }
  cluster.Start();
  cluster.RunFor(milliseconds(1));
  cluster.Stop(head);
  EXPECT_THAT(stops, ElementsAre("c", "b", "a"));
}

TEST(Node, AnswersThatComeFromTheDeadReachNobody) {
  // Two lives of an asker: the answer to the first life's question must not run in the second.
  CounterRecord record;
  SimCluster cluster(1);
  Node& head = cluster.AddHead();
  int answers = 0;
  int starts = 0;
  ASSERT_OK(head.Spawn("counter", [&] { return std::make_unique<Counter>(record); }));
  ASSERT_OK(head.Spawn("asker", [&] {
    return std::make_unique<Puppet>([&](Context& context) {
      if (++starts > 1) return absl::OkStatus();
      context.Ask(CounterRef{{kHeadNode, ActorIdOf("counter")}}, Read{}, seconds(1),
                  [&](absl::StatusOr<Total>) { ++answers; });
      return absl::InternalError("fails after it asked");
    });
  }));
  cluster.Start();
  cluster.RunFor(seconds(3));
  EXPECT_EQ(starts, 2);
  EXPECT_EQ(answers, 0);
}

}  // namespace
}  // namespace runtime
