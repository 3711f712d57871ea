#include "runtime/net/zmq_input.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <thread>

#include "runtime/base/random.h"
#include "runtime/net/zmq_handles.h"

namespace runtime {
namespace {

constexpr int kPatience = 20'000;  // Milliseconds; a lost sign of a message takes as long.

std::span<const std::byte> BytesOf(const std::uint32_t& number) {
  return std::as_bytes(std::span(&number, 1));
}

// Two sockets that are connected to each other, so that either may send.
struct Pair {
  explicit Pair(const char* endpoint)
      : context(NewZmqContext()),
        left(*NewZmqSocket(context.get(), ZMQ_PAIR)),
        right(*NewZmqSocket(context.get(), ZMQ_PAIR)) {
    for (void* socket : {left.get(), right.get()}) {
      SetOption(socket, ZMQ_LINGER, 0);
      SetOption(socket, ZMQ_SNDHWM, 0);
      SetOption(socket, ZMQ_RCVHWM, 0);
      SetOption(socket, ZMQ_RCVTIMEO, kPatience);
    }
    EXPECT_EQ(zmq_bind(left.get(), endpoint), 0);
    EXPECT_EQ(zmq_connect(right.get(), LastEndpoint(left.get()).c_str()), 0);
    EXPECT_EQ(zmq_send(right.get(), nullptr, 0, 0), 0);
    EXPECT_EQ(zmq_recv(left.get(), nullptr, 0, 0), 0);
  }

  ZmqContext context;
  ZmqSocket left, right;
};

TEST(ZmqInput, OfNoSocketIsDry) {
  ZmqInput none;
  none.Touch();
  EXPECT_TRUE(none.IsDry());
}

TEST(ZmqInput, AWaitEndsWhenAMessageArrivesAfterTheSocketWasDry) {
  Pair pair("tcp://127.0.0.1:*");
  ZmqInput input(pair.left.get());
  std::array<ZmqInput*, 1> inputs = {&input};
  for (std::uint32_t i = 0; i < 3; ++i) {
    ZmqMessage message;
    while (input.Receive(message)) {
    }
    ASSERT_TRUE(input.IsDry());
    EXPECT_EQ(ZmqMessage(BytesOf(i)).Send(pair.right.get(), 0), 0);
    const auto begin = std::chrono::steady_clock::now();
    while (!input.Receive(message)) {
      WaitForInput(-1, inputs, kPatience);
      ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(kPatience));
    }
    EXPECT_EQ(message.size(), sizeof(i));
  }
}

TEST(ZmqInput, AWaitEndsWhenItsDescriptorIsReadable) {
  Pair pair("inproc://wake");
  ZmqInput input(pair.left.get());
  std::array<ZmqInput*, 1> inputs = {&input};
  ZmqMessage message;
  const int wake = eventfd(0, EFD_NONBLOCK);
  ASSERT_GE(wake, 0);
  while (WaitForInput(wake, inputs, 0)) input.Receive(message);
  EXPECT_EQ(eventfd_write(wake, 1), 0);
  EXPECT_TRUE(WaitForInput(wake, inputs, kPatience));
  EXPECT_TRUE(input.IsDry());
  close(wake);
}

// Each side sends a few numbers at odd moments and reads what came: a sign that is lost would leave
// it asleep although something is there.
void Talk(void* socket, std::uint32_t count, std::uint64_t seed) {
  ZmqInput input(socket);
  std::array<ZmqInput*, 1> inputs = {&input};
  SeededRandom random(seed);
  std::uint32_t sent = 0, received = 0;
  while (sent < count || received < count) {
    for (std::uint64_t burst = random.Below(4); burst > 0 && sent < count; --burst, ++sent) {
      input.Touch();
      ASSERT_EQ(ZmqMessage(BytesOf(sent)).Send(socket, 0), 0);
    }
    ZmqMessage message;
    for (; input.Receive(message); ++received) ASSERT_EQ(message.size(), sizeof(received));
    // Without anything left to say it must be the other who ends the wait.
    const bool mute = sent == count && received < count;
    const auto begin = std::chrono::steady_clock::now();
    WaitForInput(-1, inputs, mute ? kPatience : static_cast<int>(random.Below(2)));
    ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(kPatience));
  }
}

TEST(ZmqInput, NoMessageIsOverlookedWhereBothSidesSendAndReceive) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Pair pair(seed % 2 == 0 ? "tcp://127.0.0.1:*" : "inproc://talk");
    std::thread other([&] { Talk(pair.right.get(), 2000, seed); });
    Talk(pair.left.get(), 2000, 100 + seed);
    other.join();
  }
}

}  // namespace
}  // namespace runtime
