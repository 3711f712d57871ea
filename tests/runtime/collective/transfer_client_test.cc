#include "runtime/collective/transfer_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/sim/virtual_clock.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using tests::HasCode;
using tests::HasMessage;

constexpr std::uint64_t kLayout = 5;

// A link that keeps everything.
class RecordingLink final : public TransferLink {
 public:
  absl::Status Connect(const TransferDonor& donor) override {
    connected.push_back(donor.node.low);
    requests.clear();
    return donor.endpoint.tcp == "nowhere" ? absl::UnavailableError("no way") : absl::OkStatus();
  }
  absl::Status SendRequest(const Hash128&, const TransferRequest& request) override {
    requests.push_back(request);
    return absl::OkStatus();
  }
  void Disconnect() override { requests.clear(); }

  std::vector<std::uint64_t> connected;
  std::deque<TransferRequest> requests;  // Of the present connection, not yet answered.
};

class TransferClientTest : public testing::Test {
 protected:
  // Ten chunks of eight floats; the last has three.
  TransferClientTest() : vector_(75), into_(75) {
    std::iota(vector_.begin(), vector_.end(), 1.0F);
    root_ = RootOf(kLayout, vector_);
  }

  static TransferDonor Donor(std::uint64_t number, const std::string& tcp = "") {
    return {.node = {number << 32, number}, .endpoint = {.tcp = tcp}};
  }
  void Start(std::vector<TransferDonor> donors, Duration timeout = seconds(60)) {
    client_.Start({.root = root_,
                   .layout_hash = kLayout,
                   .donors = std::move(donors),
                   .into = into_,
                   .deadline = clock_.Now() + timeout},
                  [this](auto result) { results_.push_back(std::move(result)); });
  }
  TransferFate Answer(const TransferRequest& range, std::uint64_t flip = 0) {
    const auto floats = std::span<const float>(vector_).subspan(range.offset, range.floats);
    return client_.OnChunk(root_, {.range = range, .checksum = HashFloats(floats) ^ flip},
                           std::as_bytes(floats));
  }
  // Answers the oldest requests.
  void Serve(int count) {
    for (; count > 0; --count) {
      ASSERT_FALSE(link_.requests.empty());
      const TransferRequest range = link_.requests.front();
      link_.requests.pop_front();
      EXPECT_EQ(Answer(range), TransferFate::kTaken);
    }
  }
  void Pass(Duration time) {
    clock_.AdvanceTo(clock_.Now() + time);
    client_.OnTime();
  }
  std::vector<std::uint64_t> Asked() const {
    std::vector<std::uint64_t> offsets;
    for (const TransferRequest& request : link_.requests) offsets.push_back(request.offset);
    return offsets;
  }

  sim::VirtualClock clock_;
  RecordingLink link_;
  TransferClient client_{link_, clock_, {.chunk_floats = 8, .window = 4}};
  std::vector<float> vector_, into_;
  Hash128 root_;
  std::vector<absl::StatusOr<TransferResult>> results_;
};

TEST_F(TransferClientTest, AsksForAWindowAndThenForOneMoreWithEachChunk) {
  Start({Donor(1)});
  EXPECT_THAT(Asked(), ElementsAre(0, 8, 16, 24));
  Serve(1);
  EXPECT_THAT(Asked(), ElementsAre(8, 16, 24, 32));
  Pass(milliseconds(1500));
  Serve(9);
  ASSERT_EQ(results_.size(), 1U);
  ASSERT_OK(results_[0]);
  EXPECT_EQ(results_[0]->bytes, 75 * sizeof(float));
  EXPECT_EQ(results_[0]->elapsed, milliseconds(1500));
  EXPECT_EQ(into_, vector_);
  EXPECT_FALSE(client_.HasJob());
  EXPECT_EQ(client_.NextDeadline(), Time::max());
}

TEST_F(TransferClientTest, TakesAnswersInAnyOrderAndEachOnce) {
  Start({Donor(1)});
  EXPECT_EQ(Answer({.offset = 16, .floats = 8}), TransferFate::kTaken);
  EXPECT_EQ(Answer({.offset = 16, .floats = 8}), TransferFate::kStale);
  EXPECT_THAT(Asked(), ElementsAre(0, 8, 16, 24, 32));
  while (client_.HasJob()) {
    const TransferRequest last = link_.requests.back();
    link_.requests.pop_back();
    Answer(last);
  }
  ASSERT_OK(results_.at(0));
  EXPECT_EQ(into_, vector_);
}

TEST_F(TransferClientTest, WhatNobodyAskedForIsStale) {
  Start({Donor(1)});
  for (const TransferRequest& range :
       {TransferRequest{.offset = 32, .floats = 8}, TransferRequest{.offset = 0, .floats = 7},
        TransferRequest{.offset = 1, .floats = 8}, TransferRequest{.offset = 72, .floats = 3}}) {
    EXPECT_EQ(Answer(range), TransferFate::kStale) << range.offset;
  }
  const TransferRequest far = {.offset = kMaxTransferOffset - 1, .floats = 8};
  EXPECT_EQ(client_.OnChunk(root_, {.range = far}, {}), TransferFate::kStale);
  EXPECT_EQ(client_.OnChunk({1, 2}, {.range = {.offset = 0, .floats = 8}}, {}),
            TransferFate::kStale);
  EXPECT_EQ(client_.OnNotHeld({1, 2}), TransferFate::kStale);
  EXPECT_THAT(into_, testing::Each(0.0F));
  EXPECT_TRUE(client_.HasJob());
  // Without a job everything is.
  client_.Abort(absl::AbortedError("the end"));
  EXPECT_EQ(Answer({.offset = 0, .floats = 8}), TransferFate::kStale);
  EXPECT_EQ(client_.OnNotHeld(root_), TransferFate::kStale);
  client_.OnUnavailable("gone");
  client_.OnCorrupt("junk");
  client_.OnTime();
  EXPECT_EQ(results_.size(), 1U);
}

// How a donor may fail.
class TransferClientFailure : public TransferClientTest, public testing::WithParamInterface<int> {
 protected:
  struct Row {
    std::string message;
    absl::StatusCode code;
  };
  // Lets the present donor fail in the way of this row.
  Row Fail() {
    switch (GetParam()) {
      case 0:
        client_.OnUnavailable("disconnected");
        return {"disconnected", absl::StatusCode::kUnavailable};
      case 1:
        EXPECT_EQ(client_.OnNotHeld(root_), TransferFate::kTaken);
        return {"does not hold", absl::StatusCode::kNotFound};
      case 2:
        EXPECT_EQ(Answer(link_.requests.front(), 1), TransferFate::kCorrupt);
        return {"checksum", absl::StatusCode::kDataLoss};
      case 3: client_.OnCorrupt("junk"); return {"junk", absl::StatusCode::kDataLoss};
      default:
        Pass(milliseconds(1999));
        EXPECT_TRUE(results_.empty());
        Pass(milliseconds(1));
        return {"nothing came for 2 s", absl::StatusCode::kUnavailable};
    }
  }
};

TEST_P(TransferClientFailure, EndsTheFetchIfThereIsNoOtherDonor) {
  Start({Donor(1)});
  Serve(3);
  const Row row = Fail();
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_THAT(results_[0], HasCode(row.code));
  EXPECT_THAT(results_[0], HasMessage("node 00000001: "));
  EXPECT_THAT(results_[0], HasMessage(row.message));
  EXPECT_THAT(Asked(), IsEmpty());
}

TEST_P(TransferClientFailure, LetsTheNextDonorGoOnWithWhatIsMissing) {
  Start({Donor(1), Donor(2, "nowhere"), Donor(3)});
  // Two came, and one of the four on the way.
  Serve(2);
  EXPECT_EQ(Answer({.offset = 32, .floats = 8}), TransferFate::kTaken);
  Fail();
  EXPECT_THAT(link_.connected, ElementsAre(1, 2, 3));
  EXPECT_THAT(Asked(), ElementsAre(16, 24, 40, 48));
  Serve(7);
  ASSERT_EQ(results_.size(), 1U);
  ASSERT_OK(results_[0]);
  EXPECT_EQ(results_[0]->bytes, 75 * sizeof(float));
  EXPECT_EQ(into_, vector_);
}

INSTANTIATE_TEST_SUITE_P(Rows, TransferClientFailure, testing::Range(0, 5));

TEST_F(TransferClientTest, TheMostTellingFailureIsTheResult) {
  Start({Donor(1), Donor(2), Donor(3), Donor(4)});
  client_.OnUnavailable("gone");
  client_.OnCorrupt("junk");
  client_.OnNotHeld(root_);
  client_.OnUnavailable("gone too");
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_THAT(results_[0], HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(results_[0], HasMessage("00000001: gone; node 00000002: junk; node 00000003"));
}

TEST_F(TransferClientTest, EachChunkGivesTheDonorMoreTimeAndTheDeadlineStays) {
  Start({Donor(1), Donor(2)}, seconds(7));
  for (int i = 0; i < 3; ++i) {
    Pass(milliseconds(1900));
    Serve(1);
    EXPECT_THAT(link_.connected, ElementsAre(1));
  }
  EXPECT_EQ(client_.NextDeadline(), clock_.Now() + milliseconds(1300));
  Pass(milliseconds(1299));
  EXPECT_TRUE(results_.empty());
  Pass(milliseconds(1));
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_THAT(results_[0], HasCode(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(results_[0], HasMessage("3 of 10 chunks"));
}

TEST_F(TransferClientTest, BytesOfAnotherRootAreDataLoss) {
  root_ = RootOf(kLayout + 1, vector_);
  Start({Donor(1), Donor(2)});
  Serve(10);
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_THAT(results_[0], HasCode(absl::StatusCode::kDataLoss));
  EXPECT_THAT(link_.connected, ElementsAre(1));
}

TEST_F(TransferClientTest, JobsThatCannotBeginEndAtOnce) {
  Start({});
  EXPECT_THAT(results_.at(0), HasCode(absl::StatusCode::kUnavailable));
  Start({Donor(1, "nowhere")});
  EXPECT_THAT(results_.at(1), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(results_.at(1), HasMessage("no way"));
  Start({Donor(1)}, seconds(0));
  EXPECT_THAT(results_.at(2), HasCode(absl::StatusCode::kDeadlineExceeded));
  into_.clear();
  Start({Donor(1)});
  EXPECT_THAT(results_.at(3), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST_F(TransferClientTest, ANewerFetchAbortsTheOlder) {
  Start({Donor(1)});
  Serve(5);
  Start({Donor(2)});
  EXPECT_THAT(results_.at(0), HasCode(absl::StatusCode::kAborted));
  EXPECT_THAT(Asked(), ElementsAre(0, 8, 16, 24));
  Serve(10);
  EXPECT_OK(results_.at(1));
}

TEST_F(TransferClientTest, DoneMayStartTheNextJob) {
  const TransferJob job = {.root = root_,
                           .layout_hash = kLayout,
                           .donors = {Donor(1)},
                           .into = into_,
                           .deadline = clock_.Now() + seconds(60)};
  client_.Start(job, [&](auto first) {
    EXPECT_THAT(first, HasCode(absl::StatusCode::kAborted));
    Start({Donor(3)});
  });
  // The job that begins while this one aborts the older is newer than this one.
  client_.Start(job,
                [&](auto second) { EXPECT_THAT(second, HasCode(absl::StatusCode::kAborted)); });
  EXPECT_THAT(link_.connected, ElementsAre(1, 3));
  Serve(10);
  EXPECT_OK(results_.at(0));
}

}  // namespace
}  // namespace runtime
