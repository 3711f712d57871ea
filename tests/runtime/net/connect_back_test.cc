#include "runtime/net/connect_back.h"

#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::tests::HasCode;

// A socket on an ephemeral port of 127.0.0.1 that listens, or is only bound: then it refuses.
class Port {
 public:
  explicit Port(bool listens) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    if (listens) {
      EXPECT_EQ(listen(fd_, 0), 0);
    }
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Port() { close(fd_); }
  std::string address() const { return absl::StrCat("tcp://127.0.0.1:", port_); }

 private:
  const int fd_;
  std::uint16_t port_ = 0;
};

TEST(ConnectBack, TellsWhoListensFromWhoRefuses) {
  const Port listening(true), refusing(false), another(true);
  const std::vector<absl::Status> results =
      TryConnections(std::vector{listening.address(), refusing.address(), another.address()},
                     std::chrono::seconds(10));
  ASSERT_THAT(results, SizeIs(3));
  EXPECT_OK(results[0]);
  EXPECT_THAT(results[1], HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(results[1].message(), refusing.address() + " refuses connections");
  EXPECT_OK(results[2]);
}

TEST(ConnectBack, NamesWhatIsNoAddressAndWhoseNameNobodyKnows) {
  const std::vector<absl::Status> results =
      TryConnections(std::vector<std::string>{"", "tcp://256.1.1.1:99999", "ipc://@rondo-x",
                                              "tcp://no-such-host.invalid:7777"},
                     std::chrono::seconds(10));
  ASSERT_THAT(results, SizeIs(4));
  for (const absl::Status& result : results) {
    EXPECT_THAT(result, HasCode(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(std::string(results[1].message()), HasSubstr("is no TCP address"));
  EXPECT_THAT(std::string(results[3].message()), HasSubstr("no-such-host.invalid"));
}

TEST(ConnectBack, WaitsNoLongerThanItsPatienceForWhoeverDoesNotAnswer) {
  // Linux answers no more once the backlog of a listener is full.
  const Port silent(true);
  std::vector<std::string> addresses(16, silent.address());
  const std::vector<absl::Status> results =
      TryConnections(addresses, std::chrono::milliseconds(200));
  EXPECT_OK(results.front());
  EXPECT_THAT(results.back(), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(results.back().message(), silent.address() + " does not answer");
}

TEST(ConnectBack, OfNoAddressesIsOverAtOnce) {
  EXPECT_THAT(TryConnections({}, std::chrono::hours(1)), SizeIs(0));
}

}  // namespace
}  // namespace runtime
