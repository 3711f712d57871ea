// Messages over TCP on loopback: ZmqTransport beside bare ZeroMQ, DEALER to ROUTER, in one run.
//
// The two are measured in turns, so that what else runs on the machine harms both alike. A message
// is 64 bytes of ours: a frame with the smallest body is larger, and the bare side sends as many
// bytes as that frame has; a second pair of bare rows has 64 bytes.
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/mutex.h"
#include "runtime/base/require.h"
#include "runtime/net/frame.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_transport.h"

namespace {

using namespace runtime;  // A program of one file.
using Role = ZmqTransportOptions::Role;

constexpr NodeId kHead{1, 1};
constexpr NodeId kNode{2, 2};
constexpr int kTurns = 9;
constexpr int kRoundTrips = 2000;
constexpr int kOneWay = 200'000;
constexpr std::chrono::seconds kPatience{60};

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Frame SmallFrame(NodeId from, NodeId to) {
  return BuildFrame({.to = to, .from = from}, [](capnp::AnyPointer::Builder) {});
}

// Counts what arrives; the head answers while `answer` is set.
class Counter final : public TransportListener {
 public:
  void OnFrame(NodeId from, Frame) override {
    if (transport != nullptr && answer) {
      REQUIRE(transport->Send(from, Traffic::kControl, SmallFrame(kHead, from)).ok());
    }
    MutexLock lock(mutex_);
    ++count_;
    changed_.NotifyAll();
  }
  void OnDisconnected(NodeId, absl::Status) override {}

  void WaitFor(int count) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(mutex_);
    while (count_ < count) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      changed_.WaitUntil(mutex_, deadline);
    }
    count_ = 0;
  }

  Transport* transport = nullptr;
  std::atomic<bool> answer{true};

 private:
  Mutex mutex_;
  Condition changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

class OurPair {
 public:
  OurPair() : head_({.self = kHead, .role = Role::kListen, .address = {.host = "127.0.0.1"}}) {
    at_head_.transport = &head_;
    REQUIRE(head_.Start(at_head_).ok());
    node_ = std::make_unique<ZmqTransport>(
        ZmqTransportOptions{.self = kNode, .address = head_.control_address()});
    REQUIRE(node_->Start(at_node_).ok());
    RoundTrips(1);
    head_.Welcome(kNode);
    RoundTrips(100);
  }
  ~OurPair() {
    node_->Stop(Duration::zero());
    head_.Stop(Duration::zero());
  }

  void RoundTrips(int count) {
    at_head_.answer = true;
    for (int i = 0; i < count; ++i) {
      Say();
      at_node_.WaitFor(1);
      at_head_.WaitFor(1);
    }
  }
  void OneWay(int count) {
    at_head_.answer = false;
    for (int i = 0; i < count; ++i) Say();
    at_head_.WaitFor(count);
  }

 private:
  void Say() {
    const Frame frame = SmallFrame(kNode, kHead);
    while (!node_->Send(kHead, Traffic::kControl, Frame(frame)).ok()) std::this_thread::yield();
  }

  Counter at_head_;
  Counter at_node_;
  ZmqTransport head_;
  std::unique_ptr<ZmqTransport> node_;
};

class BarePair {
 public:
  explicit BarePair(std::size_t bytes)
      : bytes_(bytes),
        context_(NewZmqContext()),
        router_(*NewZmqSocket(context_.get(), ZMQ_ROUTER)),
        dealer_(*NewZmqSocket(context_.get(), ZMQ_DEALER)) {
    for (void* socket : {router_.get(), dealer_.get()}) {
      SetOption(socket, ZMQ_LINGER, 0);
      SetOption(socket, ZMQ_SNDHWM, 0);
      SetOption(socket, ZMQ_RCVHWM, 0);
    }
    REQUIRE(zmq_bind(router_.get(), "tcp://127.0.0.1:*") == 0);
    REQUIRE(zmq_connect(dealer_.get(), LastEndpoint(router_.get()).c_str()) == 0);
    RoundTrips(100);
  }

  void RoundTrips(int count) {
    std::thread head([&] {
      std::vector<char> body(bytes_);
      char name[32];
      for (int i = 0; i < count; ++i) {
        const int size = zmq_recv(router_.get(), name, sizeof(name), 0);
        zmq_recv(router_.get(), body.data(), bytes_, 0);
        zmq_send(router_.get(), name, static_cast<std::size_t>(size), ZMQ_SNDMORE);
        zmq_send(router_.get(), body.data(), bytes_, 0);
      }
    });
    std::vector<char> body(bytes_);
    for (int i = 0; i < count; ++i) {
      zmq_send(dealer_.get(), body.data(), bytes_, 0);
      zmq_recv(dealer_.get(), body.data(), bytes_, 0);
    }
    head.join();
  }
  void OneWay(int count) {
    std::thread head([&] {
      std::vector<char> body(bytes_);
      char name[32];
      for (int i = 0; i < count; ++i) {
        zmq_recv(router_.get(), name, sizeof(name), 0);
        zmq_recv(router_.get(), body.data(), bytes_, 0);
      }
    });
    const std::vector<char> body(bytes_);
    for (int i = 0; i < count; ++i) zmq_send(dealer_.get(), body.data(), bytes_, 0);
    head.join();
  }

 private:
  const std::size_t bytes_;
  ZmqContext context_;
  ZmqSocket router_;
  ZmqSocket dealer_;
};

struct Times {
  std::vector<double> round_trip;  // Microseconds each.
  std::vector<double> rate;        // Messages a second.
};

template <typename Pair>
void Measure(Pair& pair, Times& times) {
  const double begin = Now();
  pair.RoundTrips(kRoundTrips);
  const double middle = Now();
  pair.OneWay(kOneWay);
  times.round_trip.push_back((middle - begin) / kRoundTrips * 1e6);
  times.rate.push_back(kOneWay / (Now() - middle));
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

double Most(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

// Of what was measured in the same turn.
double MedianRatio(const std::vector<double>& ours, const std::vector<double>& bare) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / bare[i]);
  return Median(ratios);
}

}  // namespace

int main() {
  const std::size_t frame_bytes = SmallFrame(kNode, kHead).size() * sizeof(std::uint64_t);
  OurPair ours;
  BarePair same(frame_bytes);
  BarePair small(64);
  Times our_times;
  Times same_times;
  Times small_times;
  for (int turn = 0; turn < kTurns; ++turn) {
    Measure(ours, our_times);
    Measure(same, same_times);
    Measure(small, small_times);
  }
  std::printf(
      "TCP loopback, %d turns        round trip [us]          one way [1/s]\n%-28s %9s %9s "
      "%11s %11s\n",
      kTurns, "", "median", "best", "median", "best");
  const auto row = [](const std::string& name, const Times& times) {
    std::printf("%-28s %9.1f %9.1f %11.0f %11.0f\n", name.c_str(), Median(times.round_trip),
                Least(times.round_trip), Median(times.rate), Most(times.rate));
  };
  row("ours, smallest frame", our_times);
  row("bare ZeroMQ, " + std::to_string(frame_bytes) + " B", same_times);
  row("bare ZeroMQ, 64 B", small_times);
  const auto ratio = [&](const char* name, const Times& bare) {
    std::printf("%-28s %9.2f %9.2f %11.2f %11.2f\n", name,
                MedianRatio(our_times.round_trip, bare.round_trip),
                Least(our_times.round_trip) / Least(bare.round_trip),
                MedianRatio(our_times.rate, bare.rate), Most(our_times.rate) / Most(bare.rate));
  };
  ratio("ours / bare of that size", same_times);
  ratio("ours / bare of 64 B", small_times);
}
