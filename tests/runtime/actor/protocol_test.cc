#include "runtime/actor/protocol.h"

#include <gtest/gtest.h>

#include "runtime/actor/actor.h"
#include "runtime/base/error.h"
#include "tests/support/counting.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::Blob;
using tests::Count;
using tests::Counter;
using tests::CounterProtocol;
using tests::HasCode;
using tests::Read;
using tests::Unknown;

// Context::Tell and Ask assert kAccepts; that the assertion stands is checked by the build
// (tests/runtime/actor/wrong_message.cc must not compile).
static_assert(CounterProtocol::kAccepts<Count>);
static_assert(CounterProtocol::kAccepts<Blob>);
static_assert(!CounterProtocol::kAccepts<Unknown>);
static_assert(Question<Read> && !Question<Count>);
static_assert(LaneOf<Blob>() == Lane::kData && LaneOf<Count>() == Lane::kControl);
static_assert(TrafficOf<Count>() == Traffic::kControl);

TEST(Protocol, AnActorsDataTypesAreThoseOfItsProtocol) {
  tests::CounterRecord record;
  EXPECT_EQ(Counter(record).DataTypes(), std::vector<std::uint64_t>{TypeIdOf<Blob>()});
}

TEST(Protocol, AnActorIsNamedByItsNameAlone) {
  EXPECT_EQ(ActorIdOf("monitor"), ActorIdOf("monitor"));
  EXPECT_NE(ActorIdOf("monitor"), ActorIdOf("head"));
}

absl::Status ThereAndBack(const absl::Status& why) {
  const Frame frame = EncodeFailure({.to = {1, 2}, .correlation = 3}, why);
  return DecodeFailure(**FrameReader::Open(frame));
}

TEST(Failure, KeepsTheCodeTheMessageAndWhatTheUserSees) {
  const absl::Status plain = ThereAndBack(absl::NotFoundError("no such thing"));
  EXPECT_EQ(plain, absl::NotFoundError("no such thing"));
  const absl::Status full =
      ThereAndBack(MakeError("WORKER_LOST", Exit::kRunFailed, "worker 2 died", "look at its log"));
  const UserError error = ToUserError(full);
  EXPECT_EQ(error.code, "WORKER_LOST");
  EXPECT_EQ(error.exit, Exit::kRunFailed);
  EXPECT_EQ(error.message, "worker 2 died");
  EXPECT_EQ(error.hint, "look at its log");
}

TEST(Failure, AMessageTooLongForAFrameIsCut) {
  const absl::Status back = ThereAndBack(absl::InternalError(std::string(1 << 21, 'x')));
  EXPECT_THAT(back, HasCode(absl::StatusCode::kInternal));
  EXPECT_EQ(back.message().size(), 16384u);
}

TEST(Failure, ABodyOfAnotherTypeIsRefused) {
  const Frame frame =
      BuildFrame({.kind = EnvelopeKind::kFailure, .type = 5}, [](capnp::AnyPointer::Builder) {});
  EXPECT_THAT(DecodeFailure(**FrameReader::Open(frame)),
              HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace runtime
