#include "runtime/net/address.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using ::testing::Contains;

TEST(Address, GoodOnesAreParsed) {
  struct Case {
    std::string text;
    Address expected;
    std::string normal;
  };
  const std::vector<Case> cases = {
      {"node7:7777", {.host = "node7", .port = 7777}, "tcp://node7:7777"},
      {"tcp://10.0.0.1:1", {.host = "10.0.0.1", .port = 1}, "tcp://10.0.0.1:1"},
      {"a-b.example.org.:65535",
       {.host = "a-b.example.org.", .port = 65535},
       "tcp://a-b.example.org.:65535"},
      {"head_1:80", {.host = "head_1", .port = 80}, "tcp://head_1:80"},
      {"tcp://[::1]:7777", {.host = "::1", .port = 7777}, "tcp://[::1]:7777"},
      {"[fe80::1:2]:7777", {.host = "fe80::1:2", .port = 7777}, "tcp://[fe80::1:2]:7777"},
      {"ipc://@rondo-1f", {.scheme = Address::Scheme::kIpc, .host = "rondo-1f"}, "ipc://@rondo-1f"},
  };
  for (const Case& test : cases) {
    const absl::StatusOr<Address> address = ParseConnectAddress(test.text);
    ASSERT_OK(address) << test.text;
    EXPECT_EQ(*address, test.expected) << test.text;
    EXPECT_EQ(address->ToString(), test.normal);
    EXPECT_EQ(*ParseConnectAddress(address->ToString()), *address);
  }
}

TEST(Address, BadOnesAreRefusedAsUsageErrors) {
  const std::vector<std::string> bad = {"",
                                        "host",
                                        "host:",
                                        ":7777",
                                        "tcp://",
                                        "tcp://:7777",
                                        "host:0x10",
                                        "host:-1",
                                        "host:+1",
                                        "host:99999",
                                        "host:65536",
                                        "host:4294967297",
                                        "host:7777 ",
                                        " host:7777",
                                        "host :7777",
                                        "host:77 77",
                                        "host:7777\n",
                                        "256.1.1.1:7777",
                                        "1.2.3:7777",
                                        "1.2.3.4.5:7777",
                                        "12:7777",
                                        "host.256:7777",
                                        "::1:7777",
                                        "fe80::1:7777",
                                        "[::1]7777",
                                        "[::1]",
                                        "[::1:7777",
                                        "[host]:7777",
                                        "[10.0.0.1]:7777",
                                        "tcp://host:7777/",
                                        "http://host:7777",
                                        "udp://host:7777",
                                        "tcp:/host:7777",
                                        "h\xc3\xb6st:7777",
                                        "host\xe2\x80\x8b:7777",
                                        "a..b:7777",
                                        "-a:7777",
                                        ".a:7777",
                                        "*:7777",
                                        "host:*",
                                        "host:7777:7778",
                                        "ipc:///tmp/x",
                                        "ipc://@",
                                        "ipc://@a b",
                                        "ipc://x",
                                        std::string("ho\0st:7777", 10),
                                        std::string(64, 'a') + ":7777",
                                        "ipc://@" + std::string(200, 'a'),
                                        std::string(300, 'a') + ":1"};
  for (const std::string& text : bad) {
    for (const absl::StatusOr<Address>& address :
         {ParseConnectAddress(text), ParseListenAddress(text)}) {
      ASSERT_FALSE(address.ok()) << text;
      EXPECT_EQ(ToUserError(address.status()).code, "INVALID_ADDRESS") << text;
      EXPECT_EQ(ToUserError(address.status()).exit, Exit::kUsage);
      for (const char c : ToUserError(address.status()).message) EXPECT_TRUE(c >= ' ' && c <= '~');
    }
  }
}

TEST(Address, EphemeralPortsAndWildcardsAreForListeningOnly) {
  for (const std::string text : {"127.0.0.1:0", "0.0.0.0:7777", "[::]:7777", "0.0.0.0:0"}) {
    EXPECT_OK(ParseListenAddress(text)) << text;
    EXPECT_FALSE(ParseConnectAddress(text).ok()) << text;
  }
  EXPECT_TRUE(ParseListenAddress("0.0.0.0:1")->IsWildcard());
  EXPECT_TRUE(ParseListenAddress("[0:0::0]:1")->IsWildcard());
  EXPECT_FALSE(ParseListenAddress("127.0.0.1:1")->IsWildcard());
}

TEST(Address, LoopbackIsWhatNeverLeavesTheHost) {
  for (const std::string text :
       {"127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "ipc://@x"}) {
    EXPECT_TRUE(ParseListenAddress(text)->IsLoopback()) << text;
  }
  for (const std::string text : {"0.0.0.0:1", "10.0.0.1:1", "localhost.example.org:1", "[::2]:1"}) {
    EXPECT_FALSE(ParseListenAddress(text)->IsLoopback()) << text;
  }
}

TEST(Address, HostsToAdvertise) {
  EXPECT_EQ(*ParseHost("node7"), "node7");
  EXPECT_EQ(*ParseHost("fe80::1"), "fe80::1");
  for (const std::string text : {"", "0.0.0.0", "::", "a b", "256.1.1.1", "host:1"}) {
    EXPECT_FALSE(ParseHost(text).ok()) << text;
  }
}

TEST(Address, PortRanges) {
  EXPECT_EQ(*ParsePortRange("7800-7899"), (PortRange{7800, 7899}));
  EXPECT_EQ(*ParsePortRange("1-1"), (PortRange{1, 1}));
  for (const std::string text :
       {"", "-", "7800", "7800-", "-7800", "0-10", "10-9", "1-65536", "1-2-3", "a-b", "1 -2"}) {
    EXPECT_EQ(ToUserError(ParsePortRange(text).status()).code, "INVALID_PORT_RANGE") << text;
  }
}

TEST(Address, NamesAreResolvedOrTheErrorSaysWhich) {
  EXPECT_THAT(*ResolveHost("localhost"), Contains("127.0.0.1"));
  const absl::StatusOr<std::vector<std::string>> unknown = ResolveHost("no-such-host.invalid");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(ToUserError(unknown.status()).exit, Exit::kHeadUnreachable);
  EXPECT_THAT(unknown, ::tests::HasMessage("no-such-host.invalid"));
}

TEST(Address, TheRouteToLoopbackStartsAtLoopback) {
  EXPECT_EQ(*LocalAddressTowards({.host = "127.0.0.1", .port = 7777}), "127.0.0.1");
  EXPECT_EQ(*LocalAddressTowards({.host = "localhost", .port = 0}), "127.0.0.1");
}

TEST(Address, TheHostKeyIsTheSameTwice) {
  ASSERT_OK(HostKey());
  EXPECT_EQ(*HostKey(), *HostKey());
  EXPECT_NE(HostKey()->find(':'), std::string::npos);
}

}  // namespace
}  // namespace runtime
