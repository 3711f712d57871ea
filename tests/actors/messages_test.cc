#include "actors/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/base/hash.h"
#include "runtime/net/frame.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using runtime::Frame;
using runtime::FrameReader;
using tests::HasCode;

constexpr std::uint64_t kSeed = 20240611;
constexpr runtime::Fence kFence{.run = 1ull << 63,
                                .head_epoch = 2,
                                .view = runtime::ViewId{3},
                                .round = runtime::RoundId{1ull << 40},
                                .attempt = 5};
constexpr runtime::Hash128 kHash{.high = ~0ull, .low = 7};

template <typename M>
Frame FrameOf(const M& message) {
  return runtime::BuildFrame(
      {.type = runtime::TypeIdOf<M>()},
      [&](capnp::AnyPointer::Builder body) { message.Encode(body.initAs<typename M::Wire>()); });
}

template <typename M>
absl::StatusOr<M> Open(const Frame& frame) {
  const auto reader = FrameReader::Open(frame);
  if (!reader.ok()) return reader.status();
  return runtime::Context::DecodeBody<M>(**reader);
}

template <typename M>
absl::StatusOr<M> ThereAndBack(const M& message) {
  return Open<M>(FrameOf(message));
}

runtime::Ledger SomeLedger() {
  runtime::Ledger ledger;
  for (std::size_t kind = 0; kind < runtime::kTrafficKinds; ++kind) ledger.bytes[kind] = 100 + kind;
  return ledger;
}

runtime::Drops SomeDrops() {
  return {.handshake = 1,
          .frame = 2,
          .checksum = 3,
          .fence = 4,
          .decode = 5,
          .actor = 6,
          .full = 7,
          .route = 8};
}

std::vector<Member> SomeMembers() {
  return {{.node = {1, 2},
           .slot = 0,
           .weight = 0.5,
           .endpoint = {.tcp = "tcp://10.0.0.1:4000", .ipc = "ipc://@rondo-1", .host_key = "key"}},
          {.node = {3, 4}, .slot = 63, .weight = 3}};
}

std::vector<Order> SomeOrders() {
  const std::vector<Order::Body> bodies = {
      OpenView{.members = SomeMembers()},
      Prepare{.purpose = RingPurpose::kEvaluate},
      Prepare{.train_on = true},
      Start{.purpose = RingPurpose::kEvaluate, .members = SomeMembers()},
      Commit{.root = kHash, .then_evaluate = true, .then_wait = true},
      AbortAttempt{.reason = "because"},
      EvaluateMean{},
      Finish{.save_model = true}};
  std::vector<Order> orders;
  for (const Order::Body& body : bodies) {
    orders.push_back({.fence = kFence, .number = 9, .step = 10, .body = body});
  }
  return orders;
}

std::vector<Answer> SomeAnswers() {
  const std::vector<Answer::Body> bodies = {
      Ready{.purpose = RingPurpose::kEvaluate,
            .step = 3,
            .weight = 2,
            .root = kHash,
            .loss = 0.5,
            .predictions = {.correct = 20, .all = 32}},
      Ready{.drift =
                CommittedDrift{
                    .round = 7,
                    .reading = {.squared_norm = 4.5, .along_mean = -1.5, .squared_mean = 0.75},
                    .squared_end = 6.5,
                    .projection_end = -0.5}},
      Done{.root = kHash, .seconds = 1.5, .sent = SomeLedger()},
      Fail{.code = "RING_CORRUPT", .message = "edge 1 to 2"},
      Evaluated{.correct = 3, .samples = 4, .loss_sum = 2.5},
      Finished{.sent = SomeLedger(),
               .dropped = SomeDrops(),
               .compute_seconds = 1,
               .wait_seconds = 2,
               .ring_seconds = 3,
               .evaluate_seconds = 4,
               .samples = 5,
               .predictions = {.correct = 6, .all = 7}}};
  std::vector<Answer> answers;
  for (const Answer::Body& body : bodies) {
    answers.push_back({.fence = kFence, .number = 11, .body = body});
  }
  return answers;
}

StateReport SomeReport() {
  return {.fence = kFence,
          .number = 1,
          .sequence = 2,
          .step = 3,
          .state = {.squared_norm = 4,
                    .projection = -1,
                    .xi_id = {.newer_base = kHash, .older_base = {.high = 1, .low = 0}},
                    .sketch_or_vector = {1, -2, 3}}};
}

MemberStatus SomeStatus() {
  return {.fence = kFence,
          .last_order = 1,
          .last_answer = 2,
          .step = 3,
          .dropped = SomeDrops(),
          .drift_squared = 4,
          .sent = SomeLedger(),
          .predictions = {.correct = 8, .all = 9},
          .ring_received = 5,
          .ring_for_next = 6,
          .step_seconds = 0.25};
}

ReadyToRun SomeReadyToRun() {
  return {.layout_hash = 1,
          .trainable = 2,
          .total = 3,
          .base_root = kHash,
          .data_fingerprint = 4,
          .train_samples = 5,
          .test_samples = 6,
          .endpoint = {.tcp = "tcp://10.0.0.1:4000"},
          .sample_shape = {28, 29},
          .samples_by_class = {3, 0, 1ull << 40},
          .committed = 10};
}

void ExpectEqual(const runtime::Drops& got, const runtime::Drops& want) {
  EXPECT_EQ(got.handshake, want.handshake);
  EXPECT_EQ(got.frame, want.frame);
  EXPECT_EQ(got.checksum, want.checksum);
  EXPECT_EQ(got.fence, want.fence);
  EXPECT_EQ(got.decode, want.decode);
  EXPECT_EQ(got.actor, want.actor);
  EXPECT_EQ(got.full, want.full);
  EXPECT_EQ(got.route, want.route);
}

void ExpectEqual(const std::vector<Member>& got, const std::vector<Member>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].node, want[i].node);
    EXPECT_EQ(got[i].slot, want[i].slot);
    EXPECT_EQ(got[i].weight, want[i].weight);
    EXPECT_EQ(got[i].endpoint, want[i].endpoint);
  }
}

TEST(Messages, OrdersComeBackAsTheyWereSent) {
  for (const Order& order : SomeOrders()) {
    SCOPED_TRACE(order.body.index());
    const auto got = ThereAndBack(order);
    ASSERT_OK(got);
    EXPECT_EQ(got->fence, order.fence);
    EXPECT_EQ(got->number, order.number);
    EXPECT_EQ(got->step, order.step);
    ASSERT_EQ(got->body.index(), order.body.index());
    if (const auto* view = std::get_if<OpenView>(&order.body)) {
      ExpectEqual(std::get<OpenView>(got->body).members, view->members);
    } else if (const auto* prepare = std::get_if<Prepare>(&order.body)) {
      EXPECT_EQ(std::get<Prepare>(got->body).purpose, prepare->purpose);
    } else if (const auto* start = std::get_if<Start>(&order.body)) {
      EXPECT_EQ(std::get<Start>(got->body).purpose, start->purpose);
      ExpectEqual(std::get<Start>(got->body).members, start->members);
    } else if (const auto* commit = std::get_if<Commit>(&order.body)) {
      EXPECT_EQ(std::get<Commit>(got->body).root, commit->root);
      EXPECT_TRUE(std::get<Commit>(got->body).then_evaluate);
      EXPECT_TRUE(std::get<Commit>(got->body).then_wait);
    } else if (const auto* abort = std::get_if<AbortAttempt>(&order.body)) {
      EXPECT_EQ(std::get<AbortAttempt>(got->body).reason, abort->reason);
    } else if (std::holds_alternative<Finish>(order.body)) {
      EXPECT_TRUE(std::get<Finish>(got->body).save_model);
    }
  }
}

TEST(Messages, AnswersComeBackAsTheyWereSent) {
  for (const Answer& answer : SomeAnswers()) {
    SCOPED_TRACE(answer.body.index());
    const auto got = ThereAndBack(answer);
    ASSERT_OK(got);
    EXPECT_EQ(got->fence, answer.fence);
    EXPECT_EQ(got->number, answer.number);
    ASSERT_EQ(got->body.index(), answer.body.index());
    if (const auto* ready = std::get_if<Ready>(&answer.body)) {
      const auto& same = std::get<Ready>(got->body);
      EXPECT_EQ(same.purpose, ready->purpose);
      EXPECT_EQ(same.step, ready->step);
      EXPECT_EQ(same.weight, ready->weight);
      EXPECT_EQ(same.root, ready->root);
      EXPECT_EQ(same.loss, ready->loss);
      EXPECT_EQ(same.predictions, ready->predictions);
      ASSERT_EQ(same.drift.has_value(), ready->drift.has_value());
      if (!ready->drift.has_value()) continue;
      EXPECT_EQ(same.drift->round, ready->drift->round);
      EXPECT_EQ(same.drift->reading.squared_norm, ready->drift->reading.squared_norm);
      EXPECT_EQ(same.drift->reading.along_mean, ready->drift->reading.along_mean);
      EXPECT_EQ(same.drift->reading.squared_mean, ready->drift->reading.squared_mean);
    } else if (const auto* done = std::get_if<Done>(&answer.body)) {
      const auto& same = std::get<Done>(got->body);
      EXPECT_EQ(same.root, done->root);
      EXPECT_EQ(same.seconds, done->seconds);
      EXPECT_EQ(same.sent.bytes, done->sent.bytes);
    } else if (const auto* fail = std::get_if<Fail>(&answer.body)) {
      EXPECT_EQ(std::get<Fail>(got->body).code, fail->code);
      EXPECT_EQ(std::get<Fail>(got->body).message, fail->message);
    } else if (const auto* evaluated = std::get_if<Evaluated>(&answer.body)) {
      const auto& same = std::get<Evaluated>(got->body);
      EXPECT_EQ(same.correct, evaluated->correct);
      EXPECT_EQ(same.samples, evaluated->samples);
      EXPECT_EQ(same.loss_sum, evaluated->loss_sum);
    } else {
      const auto& finished = std::get<Finished>(answer.body);
      const auto& same = std::get<Finished>(got->body);
      EXPECT_EQ(same.sent.bytes, finished.sent.bytes);
      ExpectEqual(same.dropped, finished.dropped);
      EXPECT_EQ(same.compute_seconds, finished.compute_seconds);
      EXPECT_EQ(same.wait_seconds, finished.wait_seconds);
      EXPECT_EQ(same.ring_seconds, finished.ring_seconds);
      EXPECT_EQ(same.evaluate_seconds, finished.evaluate_seconds);
      EXPECT_EQ(same.samples, finished.samples);
      EXPECT_EQ(same.predictions, finished.predictions);
    }
  }
}

TEST(Messages, ReportsComeBackAsTheyWereSent) {
  const StateReport report = SomeReport();
  const auto got = ThereAndBack(report);
  ASSERT_OK(got);
  EXPECT_EQ(got->fence, report.fence);
  EXPECT_EQ(got->number, report.number);
  EXPECT_EQ(got->sequence, report.sequence);
  EXPECT_EQ(got->step, report.step);
  EXPECT_EQ(got->state.squared_norm, report.state.squared_norm);
  EXPECT_EQ(got->state.projection, report.state.projection);
  EXPECT_EQ(got->state.xi_id, report.state.xi_id);
  EXPECT_EQ(got->state.sketch_or_vector, report.state.sketch_or_vector);
  // A state without xi and vector, which is no number: the monitor names its worker.
  const auto bare =
      ThereAndBack(StateReport{.state = {.squared_norm = std::numeric_limits<float>::quiet_NaN()}});
  ASSERT_OK(bare);
  EXPECT_TRUE(std::isnan(bare->state.squared_norm));
  EXPECT_TRUE(bare->state.xi_id.IsNull());
  EXPECT_TRUE(bare->state.sketch_or_vector.empty());
}

TEST(Messages, AllOthersComeBackAsTheyWereSent) {
  const auto assign = ThereAndBack(Assign{.run = 1,
                                          .head_epoch = 2,
                                          .slot = 3,
                                          .config = "[run]\n",
                                          .monitor = static_cast<runtime::ActorId>(4)});
  ASSERT_OK(assign);
  EXPECT_EQ(assign->run, 1u);
  EXPECT_EQ(assign->head_epoch, 2u);
  EXPECT_EQ(assign->slot, 3u);
  EXPECT_EQ(assign->config, "[run]\n");
  EXPECT_EQ(Number(assign->monitor), 4u);
  const ReadyToRun ready = SomeReadyToRun();
  const auto same = ThereAndBack(ready);
  ASSERT_OK(same);
  EXPECT_EQ(same->layout_hash, ready.layout_hash);
  EXPECT_EQ(same->trainable, ready.trainable);
  EXPECT_EQ(same->total, ready.total);
  EXPECT_EQ(same->committed, ready.committed);
  EXPECT_EQ(same->base_root, ready.base_root);
  EXPECT_EQ(same->data_fingerprint, ready.data_fingerprint);
  EXPECT_EQ(same->train_samples, ready.train_samples);
  EXPECT_EQ(same->test_samples, ready.test_samples);
  EXPECT_EQ(same->endpoint, ready.endpoint);
  EXPECT_EQ(same->sample_shape, ready.sample_shape);
  EXPECT_EQ(same->samples_by_class, ready.samples_by_class);

  const auto decision = ThereAndBack(Decision{.fence = kFence,
                                              .number = 1,
                                              .sequence = 2,
                                              .step = 3,
                                              .poll = true,
                                              .xhat = -0.5,
                                              .quantum = std::numeric_limits<double>::infinity()});
  ASSERT_OK(decision);
  EXPECT_EQ(decision->fence, kFence);
  EXPECT_EQ(decision->number, 1u);
  EXPECT_EQ(decision->sequence, 2u);
  EXPECT_EQ(decision->step, 3u);
  EXPECT_TRUE(decision->poll);
  EXPECT_EQ(decision->xhat, -0.5);
  EXPECT_EQ(decision->quantum, std::numeric_limits<double>::infinity());

  const MemberStatus status = SomeStatus();
  const auto told = ThereAndBack(status);
  ASSERT_OK(told);
  EXPECT_EQ(told->fence, status.fence);
  EXPECT_EQ(told->last_order, status.last_order);
  EXPECT_EQ(told->last_answer, status.last_answer);
  EXPECT_EQ(told->step, status.step);
  ExpectEqual(told->dropped, status.dropped);
  EXPECT_EQ(told->drift_squared, status.drift_squared);
  EXPECT_EQ(told->sent.bytes, status.sent.bytes);
  EXPECT_EQ(told->predictions, status.predictions);
  EXPECT_EQ(told->ring_received, status.ring_received);
  EXPECT_EQ(told->ring_for_next, status.ring_for_next);
  EXPECT_EQ(told->step_seconds, status.step_seconds);

  const auto reply = ThereAndBack(MemberStatusReply{.last_answer = 5});
  ASSERT_OK(reply);
  EXPECT_EQ(reply->last_answer, 5u);

  const auto part = ThereAndBack(ModelPart{.run = 1, .offset = 2, .data = {3, 4, 5}, .last = true});
  ASSERT_OK(part);
  EXPECT_EQ(part->run, 1u);
  EXPECT_EQ(part->offset, 2u);
  EXPECT_EQ(part->data, (std::vector<std::uint8_t>{3, 4, 5}));
  EXPECT_TRUE(part->last);
  EXPECT_OK(ThereAndBack(Nothing{}));
}

TEST(Messages, ValuesOutOfRangeAreRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto refused = [](const auto& message) {
    return testing::Value(ThereAndBack(message), HasCode(absl::StatusCode::kInvalidArgument));
  };
  const auto answer = [&](Answer::Body body) { return refused(Answer{.body = std::move(body)}); };
  const auto order = [&](Order::Body body) { return refused(Order{.body = std::move(body)}); };

  for (const float weight : {-1.0F, nan, infinity}) {
    EXPECT_TRUE(answer(Ready{.weight = weight})) << weight;
    EXPECT_TRUE(order(OpenView{.members = {{.weight = weight}}})) << weight;
    EXPECT_TRUE(order(Start{.members = {{.weight = weight}}})) << weight;
  }
  EXPECT_TRUE(answer(Ready{.drift = CommittedDrift{.round = 1, .reading = {.squared_norm = -1}}}));
  EXPECT_TRUE(answer(Ready{.drift = CommittedDrift{.round = 1, .reading = {.squared_mean = -1}}}));
  EXPECT_TRUE(answer(Ready{.drift = CommittedDrift{.round = 1, .squared_end = -1}}));
  EXPECT_TRUE(order(OpenView{}));
  EXPECT_TRUE(order(OpenView{.members = std::vector<Member>(kMaxMembers + 1)}));
  EXPECT_TRUE(order(OpenView{.members = {{.slot = kMaxMembers}}}));
  EXPECT_TRUE(order(OpenView{.members = {{.endpoint = {.tcp = std::string(301, 'x')}}}}));
  EXPECT_TRUE(order(AbortAttempt{.reason = std::string(100'000, 'x')}));

  // They go into deadlines, where they would overflow.
  for (const double seconds : {-1.0, 1e300, double{nan}, double{infinity}}) {
    EXPECT_TRUE(answer(Done{.seconds = seconds})) << seconds;
    EXPECT_TRUE(answer(Finished{.compute_seconds = seconds})) << seconds;
    EXPECT_TRUE(answer(Finished{.wait_seconds = seconds})) << seconds;
    EXPECT_TRUE(answer(Finished{.ring_seconds = seconds})) << seconds;
    EXPECT_TRUE(answer(Finished{.evaluate_seconds = seconds})) << seconds;
  }
  EXPECT_TRUE(answer(Evaluated{.correct = 2, .samples = 1}));
  EXPECT_TRUE(answer(Ready{.predictions = {.correct = 2, .all = 1}}));
  EXPECT_TRUE(answer(Finished{.predictions = {.correct = 2, .all = 1}}));
  EXPECT_TRUE(refused(MemberStatus{.predictions = {.correct = 2, .all = 1}}));
  EXPECT_TRUE(answer(Fail{.code = std::string(301, 'X')}));
  EXPECT_TRUE(answer(Fail{.message = std::string(100'000, 'x')}));

  EXPECT_TRUE(refused(Assign{.slot = kMaxMembers}));
  EXPECT_TRUE(refused(Assign{.config = std::string(100'000, 'x')}));
  EXPECT_TRUE(refused(ReadyToRun{.trainable = 0, .total = 1, .train_samples = 1, .committed = 1}));
  EXPECT_TRUE(refused(ReadyToRun{.trainable = 2, .total = 1, .train_samples = 1, .committed = 1}));
  const auto ready = [&](auto spoil) {
    ReadyToRun message = SomeReadyToRun();
    spoil(message);
    return refused(message);
  };
  EXPECT_TRUE(ready([](ReadyToRun& message) { message.train_samples = 0; }));
  EXPECT_TRUE(ready([](ReadyToRun& message) { message.committed = message.total - 1; }));
  EXPECT_TRUE(ready([](ReadyToRun& message) { message.committed = kMaxModelFloats + 1; }));
  EXPECT_TRUE(ready([](ReadyToRun& message) { message.sample_shape.resize(9); }));
  EXPECT_TRUE(ready([](ReadyToRun& message) { message.samples_by_class.resize(4097); }));
  EXPECT_TRUE(
      refused(StateReport{.state = {.sketch_or_vector = std::vector<float>(kMaxStateFloats + 1)}}));
  EXPECT_TRUE(refused(ModelPart{.data = std::vector<std::uint8_t>(kMaxModelPartBytes + 1)}));
}

// Makes the header agree with a message that was tampered with, so that the checksum lets it in.
void Reseal(Frame& frame) {
  frame[2] = frame.size() - runtime::kFrameHeaderWords;
  const std::uint64_t parts[2] = {
      runtime::HashBytes(frame.data(), 3 * sizeof(std::uint64_t)),
      runtime::HashBytes(frame.data() + runtime::kFrameHeaderWords,
                         (frame.size() - runtime::kFrameHeaderWords) * sizeof(std::uint64_t))};
  frame[3] = runtime::HashBytes(parts, sizeof(parts));
}

// Decodes `frame` as whatever its envelope says it is. True: it was taken.
bool Decode(const Frame& frame) {
  if (runtime::CheckFrame(frame.data(), frame.size() * 8) != runtime::FrameFault::kNone) {
    return false;
  }
  const bool taken[] = {Open<Order>(frame).ok(),        Open<Answer>(frame).ok(),
                        Open<StateReport>(frame).ok(),  Open<Assign>(frame).ok(),
                        Open<ReadyToRun>(frame).ok(),   Open<Decision>(frame).ok(),
                        Open<MemberStatus>(frame).ok(), Open<ModelPart>(frame).ok()};
  return std::ranges::any_of(taken, [](bool one) { return one; });
}

TEST(Messages, BodiesWithFlippedBitsAreTakenOrRefusedAndNeverCrash) {
  std::mt19937_64 generator(kSeed);
  std::vector<Frame> frames;
  for (const Order& order : SomeOrders()) frames.push_back(FrameOf(order));
  for (const Answer& answer : SomeAnswers()) frames.push_back(FrameOf(answer));
  frames.push_back(FrameOf(SomeReport()));
  frames.push_back(FrameOf(SomeStatus()));
  frames.push_back(FrameOf(SomeReadyToRun()));
  std::uint64_t refused = 0;
  for (const Frame& whole : frames) {
    for (int round = 0; round < 500; ++round) {
      Frame frame = whole;
      const int flips = 1 + static_cast<int>(generator() % 4);
      for (int flip = 0; flip < flips; ++flip) {
        const std::size_t words = frame.size() - runtime::kFrameHeaderWords;
        frame[runtime::kFrameHeaderWords + generator() % words] ^= 1ull << (generator() % 64);
      }
      if (frame == whole) continue;  // Two flips of one bit.
      EXPECT_FALSE(Decode(frame)) << "the checksum let a flipped bit in, seed " << kSeed;
      Reseal(frame);
      refused += Decode(frame) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 0u);
}

TEST(Messages, RandomBodiesAreRefusedOrTakenAndNeverCrash) {
  std::mt19937_64 generator(kSeed);
  const Frame whole = FrameOf(SomeReport());
  for (int round = 0; round < 5000; ++round) {
    Frame frame = whole;
    // The envelope stays often enough, so that decoders see something.
    const std::size_t begin =
        runtime::kFrameHeaderWords + generator() % (frame.size() - runtime::kFrameHeaderWords);
    for (std::size_t word = begin; word < frame.size(); ++word) frame[word] = generator();
    Reseal(frame);
    (void)Decode(frame);
  }
}

}  // namespace
}  // namespace actors
