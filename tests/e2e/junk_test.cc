// Whatever strangers say to the ports of a running cluster: it is counted and changes nothing.
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::IsEmpty;

constexpr std::uint64_t kSeed = 20240301;
constexpr int kConnections = 200;

// Strangers that keep their connections until they go.
class Strangers {
 public:
  Strangers() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~Strangers() {
    for (const int connection : connections_) close(connection);
  }
  Strangers(const Strangers&) = delete;

  void Say(std::uint16_t port, const std::string& bytes) {
    const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT_GE(connection, 0);
    connections_.push_back(connection);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // On loopback it is there at once; a full backlog is no concern of a stranger.
    (void)connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    (void)send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  std::string RandomBytes() {
    std::string bytes(1 + random_() % 4096, '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }
  void Besiege(std::uint16_t port) {
    Say(port, "GET / HTTP/1.1\r\nHost: rondo\r\n\r\n");
    for (int i = 0; i < kConnections; ++i) Say(port, i % 4 == 0 ? "" : RandomBytes());
  }

 private:
  std::mt19937_64 random_{kSeed};
  std::vector<int> connections_;
};

std::uint64_t Sum(const json& dropped) {
  return dropped["handshake"].get<std::uint64_t>() + dropped["frame"].get<std::uint64_t>();
}

TEST(Junk, OnEveryPortDuringARunIsCountedAndChangesNothing) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const std::string config = WriteQuadratic(sandbox);
  const std::vector<std::string> command =
      RunCommand(config, {"run.max_steps=1000", "model.step_time=0.003", "network.transport=tcp"},
                 {"--head", cluster.address(), "--json"});
  const auto quiet = sandbox.Run(command);
  ASSERT_EQ(quiet->WaitExit(), 0) << quiet->Describe();
  const json expected = quiet->Json()["data"];
  EXPECT_EQ(Sum(expected["dropped"]), 0U) << expected.dump();

  const auto run = sandbox.Start(command);
  ASSERT_TRUE(Eventually([&] {
    const json status = cluster.Status();
    return status.contains("runs") && status["runs"].size() == 2 &&
           status["runs"][1].value("step", 0) > 10;
  })) << run->Describe();
  Strangers strangers;
  std::size_t ports = 0;
  for (const auto& [process, line] : sandbox.Living()) {
    for (const std::uint16_t port : Sandbox::PortsOf(process)) {
      strangers.Besiege(port);
      ++ports;
    }
  }
  EXPECT_EQ(ports, 7U) << "control, broadcasts, two ring ports and three transfer ports";
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe() << cluster.head().Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_EQ(data["model_hash"], expected["model_hash"]);
  std::cout << "dropped by the run " << data["dropped"] << ", seed " << kSeed << "\n";
  // Some are still silent when the run is over, and are counted later or never.
  EXPECT_GT(Sum(data["dropped"]), 2U * kConnections);
  const json status = cluster.Status();
  std::cout << "status " << status["dropped"] << "\n";
  EXPECT_GE(Sum(status["dropped"]), Sum(data["dropped"]));
  cluster.Stop();
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace tests
