// Several hosts on one machine, and the network between them, for tests: as root, on Linux.
//
// Each host is a network namespace with an address on a device of this process, a thread of which
// forwards the packets: as fast, as late and as unreliably as each way is told to be. Namespaces
// and devices have no names and end with this process, however it ends.
//
//   auto network = *NetEmulator::Start(3, {.bits_per_second = 100e6});
//   { NetEmulator::Inside inside(*network, 1);  sandbox.Start({"rondo", "join", ...}); }
//   network->SetBlackHole(1, 2, true);
#ifndef RONDO_TESTS_TOOLS_NET_EMULATOR_H_
#define RONDO_TESTS_TOOLS_NET_EMULATOR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/mutex.h"
#include "tests/tools/address_translation.h"

namespace tests {

class NetEmulator {
 public:
  // A way from one host to another. Packets that would wait in its queue for longer than kLongest
  // are dropped, as a router drops them.
  struct Way {
    double bits_per_second = 0;  // 0: without a bound.
    runtime::Duration delay{};   // One way, besides the time in the queue.
    double loss = 0;             // Share of the packets, 0 to 1.
    bool black_hole = false;     // Nothing comes through, and nobody is told.
  };
  static constexpr runtime::Duration kLongest = std::chrono::milliseconds(100);

  // Packets and their bytes, IP header included.
  struct Counts {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t lost = 0;        // By `loss`.
    std::uint64_t swallowed = 0;   // By `black_hole`.
    std::uint64_t overflowed = 0;  // The queue was full, or the host's.
    std::uint64_t refused = 0;     // By a router: of no connection that was opened behind it.
  };

  // While it lives, the calling thread is in that host: so are processes and threads that it
  // starts, and sockets that it opens. One at a time in a thread.
  class Inside {
   public:
    Inside(const NetEmulator& network, std::size_t host);
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    int before_ = -1;
  };

  // Why there can be none: not root, no TUN devices. OK: there can.
  static absl::Status Check();
  // At most 64 hosts, numbered from 0; all ways are as `way` says.
  static absl::StatusOr<std::unique_ptr<NetEmulator>> Start(std::size_t hosts, const Way& way);
  ~NetEmulator();
  NetEmulator(const NetEmulator&) = delete;
  NetEmulator& operator=(const NetEmulator&) = delete;

  std::size_t hosts() const { return devices_.size(); }
  static std::string AddressOf(std::size_t host);

  // The rest: any thread; holds for the packets that come from now on.
  void SetWay(std::size_t from, std::size_t to, const Way& way);
  void SetBlackHole(std::size_t from, std::size_t to, bool on);
  // What a host's own card sends, and what it receives, over all its ways together; 0: no bound.
  void SetCard(std::size_t host, double sends_bits_per_second, double receives_bits_per_second);
  // Puts a host behind a router that translates addresses: it can open TCP connections to the
  // others, who see them come from RouterOf(host), and nobody can open one to it.
  void SetBehindRouter(std::size_t host, bool on);
  static std::string RouterOf(std::size_t host);
  Counts CountsOf(std::size_t from, std::size_t to) const;

 private:
  struct Packet {
    runtime::Time due;
    std::vector<unsigned char> bytes;
  };
  // Something that passes one packet after another.
  struct Pipe {
    double bits_per_second = 0;
    runtime::Time free_at{};

    // When a packet that comes at `now` has passed.
    runtime::Time Passed(runtime::Time now, std::size_t bytes) const;
  };
  struct Edge {
    Way way;
    Pipe pipe;
    Counts counts;
    std::deque<Packet> queue;  // By due time, except where the delay was lowered meanwhile.
  };
  struct Card {
    Pipe sends;
    Pipe receives;
  };
  struct Device {
    int space = -1;  // The namespace.
    int tun = -1;
  };

  explicit NetEmulator(std::size_t hosts);
  // On a thread of its own, which ends in the new host.
  static absl::Status OpenHost(std::size_t host, Device& device);

  void Run();
  // Takes what a host has sent, a bounded number of packets.
  void TakeFrom(std::size_t host, runtime::Time now);
  void Accept(std::size_t from, std::span<unsigned char> packet, runtime::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the routers of the two, if they have some, let it through; then it is rewritten.
  bool PassRouters(std::size_t from, std::size_t to, std::span<unsigned char> packet)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Hands over what is due, and returns when the next packet is.
  runtime::Time HandOver(runtime::Time now);
  Edge& EdgeOf(std::size_t from, std::size_t to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return edges_[from * devices_.size() + to];
  }

  std::vector<Device> devices_;
  int wake_ = -1;
  mutable runtime::Mutex mutex_;
  std::vector<Edge> edges_ ABSL_GUARDED_BY(mutex_);
  std::vector<Card> cards_ ABSL_GUARDED_BY(mutex_);
  std::map<std::size_t, AddressTranslation> routers_ ABSL_GUARDED_BY(mutex_);  // By host.
  std::mt19937 random_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tests

#endif  // RONDO_TESTS_TOOLS_NET_EMULATOR_H_
