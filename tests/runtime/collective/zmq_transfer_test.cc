#include "runtime/collective/zmq_transfer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/random.h"
#include "tests/runtime/collective/fetching.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::ByTcp;
using tests::DonorOf;
using tests::Eventually;
using tests::Fetching;
using tests::HasCode;
using tests::HasMessage;
using tests::kTransferDeadline;
using tests::kTransferLayout;
using tests::MakeTransfer;
using tests::MakeVector;
using tests::OfferOf;
using tests::Vector;
using Result = absl::StatusOr<TransferResult>;

// A fetch that takes a round trip for each kilobyte: whatever happens in its middle does.
constexpr TransferClientOptions kSlowly = {
    .chunk_floats = 256, .window = 1, .progress_timeout = tests::kTransferPatience};

class ZmqTransferOver : public testing::TestWithParam<const char*> {
 protected:
  TransferDonor DonorOver(const ZmqTransfer& transfer) const {
    const TransferDonor donor = DonorOf(transfer);
    return GetParam() == std::string("Tcp") ? ByTcp(donor) : donor;
  }
};

TEST_P(ZmqTransferOver, TenMillionFloatsArriveAsTheyWere) {
  const Vector vector = MakeVector(10'000'000, 0.5F);
  auto donor = MakeTransfer(), joiner = MakeTransfer();
  donor->Offer(OfferOf(vector));
  TransferDonor way = DonorOver(*donor);
  // The other way leads nowhere.
  (GetParam() == std::string("Tcp") ? way.endpoint.ipc : way.endpoint.tcp) = "tcp://127.0.0.1:1";
  Fetching fetching(*joiner, RootOf(kTransferLayout, *vector), vector->size(), {way});
  const Result result = fetching.Wait();
  ASSERT_OK(result);
  EXPECT_TRUE(fetching.into() == *vector);
  EXPECT_EQ(result->bytes, vector->size() * sizeof(float));
  EXPECT_GT(result->elapsed.count(), 0);
  const double sent = static_cast<double>(donor->SentBytes().Of(Traffic::kJoin));
  EXPECT_EQ(donor->SentBytes().Total(), donor->SentBytes().Of(Traffic::kJoin));
  EXPECT_GT(sent, static_cast<double>(result->bytes));
  EXPECT_LT(sent, 1.001 * static_cast<double>(result->bytes));
  // 77 requests of 72 bytes and a ZMTP header each, and the handshake.
  EXPECT_EQ(joiner->SentBytes().Of(Traffic::kJoin), 77U * 74 + 107);
  EXPECT_EQ(donor->Dropped().handshake + donor->Dropped().full + joiner->Dropped().fence, 0U);
}

TEST_P(ZmqTransferOver, FiveAskOneDonorAtOnce) {
  const Vector vector = MakeVector(1'000'003, 1);
  auto donor = MakeTransfer();
  donor->Offer(OfferOf(vector));
  std::vector<std::unique_ptr<ZmqTransfer>> joiners;
  std::vector<std::unique_ptr<Fetching>> fetches;
  for (int i = 0; i < 5; ++i) {
    joiners.push_back(MakeTransfer());
    fetches.push_back(std::make_unique<Fetching>(*joiners.back(), RootOf(kTransferLayout, *vector),
                                                 vector->size(), std::vector{DonorOver(*donor)}));
  }
  for (auto& fetching : fetches) {
    ASSERT_OK(fetching->Wait());
    EXPECT_TRUE(fetching->into() == *vector);
  }
  EXPECT_EQ(donor->Dropped().full, 0U);
}

TEST_P(ZmqTransferOver, AnOfferThatIsReplacedInTheMiddleIsNotFound) {
  Vector older = MakeVector(4'000'000, 1);
  const Vector newer = MakeVector(4'000'000, 2);
  const std::weak_ptr<const void> owner = older;
  const Hash128 root = RootOf(kTransferLayout, *older);
  auto donor = MakeTransfer(), joiner = MakeTransfer(kSlowly);
  donor->Offer(OfferOf(older));
  older.reset();
  Fetching fetching(*joiner, root, newer->size(), {DonorOver(*donor)});
  ASSERT_TRUE(Eventually([&] { return donor->SentBytes().Total() > 50'000; }));
  donor->Offer(OfferOf(newer));
  EXPECT_THAT(fetching.Wait(), HasCode(absl::StatusCode::kNotFound));
  EXPECT_TRUE(Eventually([&] { return owner.expired(); }));
  auto another = MakeTransfer();
  Fetching again(*another, RootOf(kTransferLayout, *newer), newer->size(), {DonorOver(*donor)});
  ASSERT_OK(again.Wait());
  EXPECT_TRUE(again.into() == *newer);
}

TEST_P(ZmqTransferOver, ADonorThatDiesInTheMiddleIsFollowedByTheNext) {
  const Vector vector = MakeVector(2'000'000, 1);
  auto first = MakeTransfer(), second = MakeTransfer(), joiner = MakeTransfer(kSlowly);
  first->Offer(OfferOf(vector));
  second->Offer(OfferOf(vector));
  const std::uint64_t before = second->SentBytes().Total();
  Fetching fetching(*joiner, RootOf(kTransferLayout, *vector), vector->size(),
                    {DonorOver(*first), DonorOver(*second)});
  ASSERT_TRUE(Eventually([&] { return first->SentBytes().Total() > 1'000'000; }));
  first.reset();
  const Result result = fetching.Wait();
  ASSERT_OK(result);
  EXPECT_TRUE(fetching.into() == *vector);
  EXPECT_EQ(result->bytes, vector->size() * sizeof(float));
  // A message of 72 bytes goes with each chunk of 1024; a megabyte had come from the first.
  EXPECT_LT(second->SentBytes().Total() - before, result->bytes * 11 / 10 - 900'000);
}

INSTANTIATE_TEST_SUITE_P(Transports, ZmqTransferOver, testing::Values("Tcp", "Ipc"),
                         [](const auto& info) { return info.param; });

TEST(ZmqTransfer, LetsGoOfAnOlderOfferWithinTheCallIfNobodySendsFromIt) {
  auto donor = MakeTransfer(), joiner = MakeTransfer();
  Vector vector = MakeVector(100'000, 1);
  const std::weak_ptr<const void> owner = vector;
  const Hash128 root = RootOf(kTransferLayout, *vector);
  donor->Offer(OfferOf(vector));
  vector.reset();
  donor->Offer(OfferOf(MakeVector(10, 2)));
  EXPECT_TRUE(owner.expired());
  Fetching fetching(*joiner, root, 100'000, {DonorOf(*donor)});
  EXPECT_THAT(fetching.Wait(), HasCode(absl::StatusCode::kNotFound));
  Vector last = MakeVector(10, 3);
  const std::weak_ptr<const void> last_owner = last;
  donor->Offer(OfferOf(std::exchange(last, nullptr)));
  donor.reset();
  EXPECT_TRUE(last_owner.expired());
}

TEST(ZmqTransfer, WhatACheckpointTakesIsBookedAsThat) {
  const Vector vector = MakeVector(300'000, 0.5F);
  auto donor = MakeTransfer(), head = MakeTransfer();
  donor->Offer(OfferOf(vector));
  Fetching fetching(*head, RootOf(kTransferLayout, *vector), vector->size(), {DonorOf(*donor)},
                    Traffic::kCheckpoint);
  ASSERT_OK(fetching.Wait());
  EXPECT_GT(donor->SentBytes().Of(Traffic::kCheckpoint), vector->size() * sizeof(float));
  EXPECT_EQ(head->SentBytes().Of(Traffic::kCheckpoint), 3U * 74);
  EXPECT_EQ(donor->SentBytes().Of(Traffic::kJoin), head->SentBytes().Of(Traffic::kJoin));
}

TEST(ZmqTransfer, LendsASecondVectorBesideTheOneItOffers) {
  const Vector base = MakeVector(5000, 1);
  Vector loan = MakeVector(10'000, 2);
  const std::weak_ptr<const void> owner = loan;
  const Hash128 root = RootOf(kTransferLayout, *loan);
  auto donor = MakeTransfer(), joiner = MakeTransfer();
  donor->Offer(OfferOf(base));
  donor->Lend(OfferOf(loan));
  for (const Vector& each : {loan, base}) {
    Fetching fetching(*joiner, RootOf(kTransferLayout, *each), each->size(), {DonorOf(*donor)});
    ASSERT_OK(fetching.Wait());
    EXPECT_TRUE(fetching.into() == *each);
  }
  loan.reset();
  donor->Lend({});
  EXPECT_TRUE(Eventually([&] { return owner.expired(); }));  // Its last chunk has left.
  Fetching late(*joiner, root, 10'000, {DonorOf(*donor)});
  EXPECT_THAT(late.Wait(), HasCode(absl::StatusCode::kNotFound));
}

TEST(ZmqTransfer, AVectorOfAnotherLengthIsNotHeldAndOfAnotherLayoutIsDataLoss) {
  const Vector vector = MakeVector(1000, 1);
  auto donor = MakeTransfer(), joiner = MakeTransfer();
  donor->Offer(OfferOf(vector));
  Fetching longer(*joiner, RootOf(kTransferLayout, *vector), 1001, {DonorOf(*donor)});
  EXPECT_THAT(longer.Wait(), HasCode(absl::StatusCode::kNotFound));
  Fetching shorter(*joiner, RootOf(kTransferLayout, *vector), 999, {DonorOf(*donor)});
  EXPECT_THAT(shorter.Wait(), HasCode(absl::StatusCode::kDataLoss));
  donor->Offer({.root = {1, 2}, .owner = vector, .floats = *vector});
  Fetching wrong(*joiner, {1, 2}, 1000, {DonorOf(*donor)});
  EXPECT_THAT(wrong.Wait(), HasCode(absl::StatusCode::kDataLoss));
}

TEST(ZmqTransfer, ANewerFetchAndTheEndAbortAFetch) {
  const Vector vector = MakeVector(4'000'000, 1);
  auto donor = MakeTransfer(), joiner = MakeTransfer(kSlowly);
  donor->Offer(OfferOf(vector));
  const Hash128 root = RootOf(kTransferLayout, *vector);
  Fetching first(*joiner, root, vector->size(), {DonorOf(*donor)});
  Fetching second(*joiner, root, vector->size(), {DonorOf(*donor)});
  EXPECT_THAT(first.Wait(), HasCode(absl::StatusCode::kAborted));
  ASSERT_TRUE(Eventually([&] { return donor->SentBytes().Total() > 50'000; }));
  joiner.reset();
  EXPECT_THAT(second.Wait(), HasCode(absl::StatusCode::kAborted));
}

TEST(ZmqTransfer, WhereNobodyListensIsLeftAtOnce) {
  auto joiner = MakeTransfer({.progress_timeout = kTransferDeadline});
  TransferDonor gone = [] { return DonorOf(*MakeTransfer()); }();
  for (const TransferDonor& donor : {gone, ByTcp(gone)}) {
    Fetching fetching(*joiner, {1, 2}, 10, {donor});
    const Result result = fetching.Wait();
    EXPECT_THAT(result, HasCode(absl::StatusCode::kUnavailable));
    EXPECT_THAT(result, HasMessage("nobody listens there"));
  }
  TransferDonor nowhere = ByTcp(gone);
  nowhere.endpoint.tcp = "tcp://nonsense";
  Fetching fetching(*joiner, {1, 2}, 10, {nowhere});
  EXPECT_THAT(fetching.Wait(), HasCode(absl::StatusCode::kUnavailable));
}

TEST(ZmqTransfer, APortRangeInUseIsAnError) {
  auto transfer = MakeTransfer();
  const std::string tcp = transfer->endpoint().tcp;
  const auto port = static_cast<std::uint16_t>(std::atoi(tcp.substr(tcp.rfind(':') + 1).c_str()));
  EXPECT_THAT(ZmqTransfer::Create(
                  {.node = RandomNodeId(), .listen = {.first_port = port, .last_port = port}}),
              HasCode(absl::StatusCode::kUnavailable));
}

// A donor in a process of its own, to stop and to kill.
class DonorProcess {
 public:
  explicit DonorProcess(const Vector& vector) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      auto donor = MakeTransfer();
      donor->Offer(OfferOf(vector));
      const RingEndpoint endpoint = donor->endpoint();
      const std::string line = endpoint.tcp + "\n" + endpoint.ipc + "\n" + endpoint.host_key + "\n";
      if (::write(ends[1], line.data(), line.size()) < 0) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(ends[1]);
    donor_ = {.node = {1, 1},
              .endpoint = {.tcp = Line(ends[0]), .ipc = Line(ends[0]), .host_key = Line(ends[0])}};
    ::close(ends[0]);
  }
  ~DonorProcess() {
    Signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  DonorProcess(const DonorProcess&) = delete;

  void Signal(int number) const { ::kill(pid_, number); }
  const TransferDonor& donor() const { return donor_; }

 private:
  static std::string Line(int fd) {
    std::string line;
    for (char c; ::read(fd, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  pid_t pid_ = -1;
  TransferDonor donor_;
};

// The process is forked first, while this one has a single thread.
TEST(ZmqTransfer, AProcessThatIsKilledOrStoppedIsFollowedByTheNext) {
  const Vector vector = MakeVector(1'000'000, 1);
  const DonorProcess killed(vector), stopped(vector);
  for (const auto& [process, signal] :
       {std::pair(&killed, SIGKILL), std::pair(&stopped, SIGSTOP)}) {
    for (const bool tcp : {false, true}) {
      auto second = MakeTransfer(), joiner = MakeTransfer(kSlowly);
      second->Offer(OfferOf(vector));
      const TransferDonor first = tcp ? ByTcp(process->donor()) : process->donor();
      const auto began = std::chrono::steady_clock::now();
      Fetching fetching(*joiner, RootOf(kTransferLayout, *vector), vector->size(),
                        {first, DonorOf(*second)});
      // Once it lives and sends; the second time it is killed or stopped from the start.
      if (!tcp) {
        ASSERT_TRUE(Eventually([&] { return joiner->SentBytes().Total() > 20'000; }));
        process->Signal(signal);
      }
      ASSERT_OK(fetching.Wait());
      EXPECT_TRUE(fetching.into() == *vector);
      EXPECT_GT(second->SentBytes().Total(), 1'000'000U);
      // One that does not even begin to talk is left after ZMTP's handshake time, 3 s, if that
      // comes first.
      if (signal == SIGSTOP && !tcp) {
        EXPECT_GE(std::chrono::steady_clock::now() - began, tests::kTransferPatience);
      }
    }
  }
}

}  // namespace
}  // namespace runtime
