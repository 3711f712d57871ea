// What cannot work says why at once, and with the exit code that a script can act on.
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <iostream>
#include <thread>

#include "apps/rondo/head_process.h"
#include "runtime/base/error.h"
#include "runtime/base/random.h"
#include "tests/support/cluster.h"
#include "tests/support/processes.h"
#include "tests/support/status_matchers.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

// Five times two seconds.
constexpr runtime::Duration kCauseBound = kSlowness * std::chrono::seconds(10);

// Something else that listens: it answers everybody with `answer`, if there is one.
class OtherServer {
 public:
  explicit OtherServer(std::string answer)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), answer_(std::move(answer)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~OtherServer() {
    stopping_ = true;
    thread_.join();
    for (const int connection : connections_) close(connection);
    close(listener_);
  }
  std::string where() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  void Run() {
    while (!stopping_) {
      pollfd item{.fd = listener_, .events = POLLIN};
      if (poll(&item, 1, 20) <= 0) continue;
      const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      (void)send(connection, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      connections_.push_back(connection);
    }
  }

  const int listener_;
  const std::string answer_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::vector<int> connections_;
  std::thread thread_;
};

// Runs it, and expects an error that contains `cause`.
void ExpectRefused(const std::vector<std::string>& command, int exit, const std::string& cause) {
  Sandbox sandbox;
  const auto begin = std::chrono::steady_clock::now();
  const auto process = sandbox.Start(command);
  EXPECT_EQ(process->WaitExit(kCauseBound), exit) << process->Describe();
  std::cout << command[1] << " ended after "
            << runtime::ToSeconds(std::chrono::steady_clock::now() - begin)
            << " s: " << process->err();
  EXPECT_THAT(process->err(), HasSubstr(cause));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

std::string ClosedPort() {
  const OtherServer server("");
  return server.where();
}

TEST(BadJoin, ToAClosedPortIsRefusedConnection) {
  ExpectRefused({"rondo", "join", ClosedPort()}, 3, "refused");
}

TEST(BadJoin, ToASilentServerSaysThatItIsNotAHead) {
  const OtherServer server("");
  ExpectRefused({"rondo", "join", server.where()}, 3, "does not speak ZeroMQ");
}

TEST(BadJoin, ToAnHttpServerSaysThatItIsNotAHead) {
  const OtherServer server("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  ExpectRefused({"rondo", "join", server.where()}, 3, "does not speak ZeroMQ");
}

TEST(BadJoin, ToAnUnknownHostNamesTheHost) {
  ExpectRefused({"rondo", "join", "no-such-host.invalid:7070", "--insecure"}, 3,
                "no-such-host.invalid");
}

TEST(BadJoin, OfAnotherSchemaIsRefusedWithExit7) {
  const auto head = apps::HeadProcess::Start({.listen = {.host = "127.0.0.1"}});
  ASSERT_OK(head);
  const auto address = runtime::ParseConnectAddress((*head)->join_address());
  ASSERT_OK(address);
  const runtime::NodeId id = runtime::RandomNodeId();
  const runtime::SteadyClock clock;
  runtime::ZmqTransport transport({.self = id, .address = *address});
  runtime::Node node({.id = id,
                      .name = "older",
                      .role = "worker",
                      .fingerprint = runtime::SchemaFingerprint() + 1},
                     clock, transport);
  runtime::NodeThread thread(node);
  ASSERT_OK(thread.Start());
  const absl::Status joined = node.WaitJoined(clock.Now() + kCauseBound);
  ASSERT_FALSE(joined.ok());
  const runtime::UserError error = runtime::ToUserError(joined);
  EXPECT_EQ(error.exit, runtime::Exit::kIncompatible) << joined;
  EXPECT_THAT(error.message, HasSubstr("schema"));
}

TEST(BadRun, SubmittedToAClosedPortIsRefusedConnection) {
  const Sandbox files;
  ExpectRefused({"rondo", "run", WriteQuadratic(files), "--head", ClosedPort()}, 3, "refused");
}

TEST(BadRun, WithABatchLargerThanAShardIsAUsageError) {
  Sandbox sandbox;
  const std::string config = sandbox.Write("large.toml", R"(
[run]
workers = 2
max_steps = 10
[data]
source = "digits"
[model]
name = "lenet5"
[optimizer]
batch = 40000
)");
  const auto run = sandbox.Run(RunCommand(config, {}, {"--json"}));
  EXPECT_EQ(run->WaitExit(), 2) << run->Describe();
  EXPECT_THAT(run->Json().value("message", ""), HasSubstr("batch"));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(BadRun, IntoAPlaceWhereNoFolderCanBeNamesThePlace) {
  Sandbox sandbox;
  const std::string file = sandbox.Write("file", "a file, not a folder");
  const auto run = sandbox.Run(
      {"rondo", "run", WriteQuadratic(sandbox), "--set", "run.out=" + file + "/runs", "--json"});
  EXPECT_EQ(run->WaitExit(), 1) << run->Describe();
  const json error = run->Json();
  EXPECT_EQ(error.value("code", ""), "OUTPUT_FAILED");
  EXPECT_THAT(error.value("message", ""), HasSubstr(file + "/runs"));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace tests
