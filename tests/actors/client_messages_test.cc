#include "actors/client_messages.h"

#include <gtest/gtest.h>

#include "runtime/actor/actor.h"
#include "runtime/net/frame.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

template <typename M>
absl::StatusOr<M> ThereAndBack(const M& message) {
  const runtime::Frame frame = runtime::BuildFrame(
      {.type = runtime::TypeIdOf<M>()},
      [&](capnp::AnyPointer::Builder body) { message.Encode(body.initAs<typename M::Wire>()); });
  const auto reader = runtime::FrameReader::Open(frame);
  if (!reader.ok()) return reader.status();
  return runtime::Context::DecodeBody<M>(**reader);
}

TEST(ClientMessages, QuestionsAboutRunsComeBackAsTheyWereSent) {
  EXPECT_EQ(ThereAndBack(StopRun{.run_id = "7f3a"})->run_id, "7f3a");
  EXPECT_EQ(ThereAndBack(StopAccepted{.run_id = "7f3a"})->run_id, "7f3a");
  EXPECT_EQ(ThereAndBack(RunsRequest{.run_id = "7f3a"})->run_id, "7f3a");
  EXPECT_EQ(ThereAndBack(RunsReply{.json = "{}"})->json, "{}");
  EXPECT_EQ(ThereAndBack(LeaveNode{.node = "box"})->node, "box");
  EXPECT_OK(ThereAndBack(Drain{}));
}

TEST(ClientMessages, PartsOfFilesComeBackAsTheyWereSent) {
  for (const RunFile file : {RunFile::kConfig, RunFile::kMetrics, RunFile::kModel}) {
    const auto fetch =
        ThereAndBack(FetchPart{.run_id = "7f3a", .file = file, .offset = 1ull << 40});
    ASSERT_OK(fetch);
    EXPECT_EQ(fetch->run_id, "7f3a");
    EXPECT_EQ(fetch->file, file);
    EXPECT_EQ(fetch->offset, 1ull << 40);
  }
  const auto part = ThereAndBack(FilePart{.size = 7, .data = {1, 2, 3}});
  ASSERT_OK(part);
  EXPECT_EQ(part->size, 7u);
  EXPECT_EQ(part->data, (std::vector<std::uint8_t>{1, 2, 3}));
}

TEST(ClientMessages, APartLongerThanItsFileOrThanAnyIsRefused) {
  const auto invalid = tests::HasCode(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ThereAndBack(FilePart{.size = 2, .data = {1, 2, 3}}), invalid);
  const std::vector<std::uint8_t> most(kMaxModelPartBytes), more(kMaxModelPartBytes + 1);
  EXPECT_OK(ThereAndBack(FilePart{.size = 1ull << 40, .data = most}));
  EXPECT_THAT(ThereAndBack(FilePart{.size = 1ull << 40, .data = more}), invalid);
}

TEST(ClientMessages, LeaversComeBackAsTheyWereSentAndAreNeverNobody) {
  const auto leaving = ThereAndBack(LeavingNodes{.nodes = {{.node = {1, 2}, .name = "box-0"}}});
  ASSERT_OK(leaving);
  ASSERT_EQ(leaving->nodes.size(), 1u);
  EXPECT_EQ(leaving->nodes[0].node, (runtime::NodeId{1, 2}));
  EXPECT_EQ(leaving->nodes[0].name, "box-0");
  const auto invalid = tests::HasCode(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ThereAndBack(LeavingNodes{}), invalid);
  EXPECT_THAT(ThereAndBack(LeavingNodes{.nodes = std::vector<LeavingNodes::Leaver>(1025)}),
              invalid);
}

}  // namespace
}  // namespace actors
