// A TCP proxy on loopback for tests: counts what passes, and harms it on request.
//
// It has its own thread and an ephemeral port. Every connection that it accepts it joins to a new
// one to the target. All methods: any thread; they take effect at once, on open connections too.
#ifndef RONDO_TESTS_TOOLS_TCP_PROXY_H_
#define RONDO_TESTS_TOOLS_TCP_PROXY_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/mutex.h"

namespace tests {

class TcpProxy {
 public:
  enum class Direction : std::uint8_t { kToTarget, kToClient };

  // Bytes of one connection, in the order of acceptance. Closed ones are kept.
  struct Counts {
    std::uint64_t to_target = 0;
    std::uint64_t to_client = 0;
    bool open = false;
  };

  // Turns one bit of what is forwarded, once, on whichever connection comes there first.
  struct Flip {
    Direction direction = Direction::kToTarget;
    // Counted from the first byte of the connection; or, if `payload_bytes` > 0: within the
    // `payload`-th (from 0, over all connections) ZMTP message part of at least that many bytes.
    std::uint64_t offset = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t payload = 0;
    int bit = 0;
  };

  // `target_host` is an IPv4 address. Fails only when descriptors are short.
  static absl::StatusOr<std::unique_ptr<TcpProxy>> Start(const std::string& target_host,
                                                         std::uint16_t target_port);
  // Listens on 127.0.0.2, and forwards to the same port of 127.0.0.1, which is for a program that
  // is yet to be started: as a router forwards ports from outside.
  static absl::StatusOr<std::unique_ptr<TcpProxy>> StartMirror();
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const { return port_; }
  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

  // From now on every byte arrives `delay` later, in each direction.
  void SetDelay(runtime::Duration delay);
  // Resets every open connection (RST to both ends). New ones are accepted.
  void Cut();
  // While on: nothing is forwarded and nothing is closed, as when a cable is pulled. What was sent
  // meanwhile arrives afterwards.
  void SetBlackHole(bool on);
  // While on: new connections are reset at once.
  void SetRefuse(bool on);
  // Replaces a flip that has not happened yet.
  void FlipOnce(const Flip& flip);
  // The last FlipOnce has happened.
  bool flipped() const;

  std::vector<Counts> counts() const;
  // Over all connections and both directions.
  std::uint64_t TotalBytes() const;

 private:
  struct Piece {
    runtime::Time due;
    std::string bytes;
  };
  // Finds the message parts in one direction of a ZMTP 3 connection.
  struct ZmtpScan {
    std::uint64_t skip = 64;  // Greeting, then what remains of the present part.
    bool in_part = false;     // `skip` counts a message part's body.
    std::uint64_t size = 0;   // Of the present part.
    std::string header;
  };
  struct Half {
    int from = -1;
    int to = -1;
    std::uint64_t passed = 0;
    bool ended = false;  // `from` has no more; `to` is told when all pieces are out.
    std::size_t waiting = 0;
    std::deque<Piece> pieces;
    ZmtpScan scan;
  };
  struct Connection {
    std::size_t index = 0;
    int client = -1;
    int target = -1;
    bool target_connecting = false;
    Half to_target;
    Half to_client;
  };

  // No target port: the one that it gets to listen on.
  static absl::StatusOr<std::unique_ptr<TcpProxy>> StartOn(
      const std::string& host, const std::string& target_host,
      std::optional<std::uint16_t> target_port);
  TcpProxy(int listener, int wake, std::string target_host, std::uint16_t target_port,
           std::uint16_t port);

  void Run();
  void Accept();
  bool Serve(Connection& connection, runtime::Time now);
  bool Pump(Connection& connection, Half& half, Direction direction, runtime::Time now);
  void Harm(Half& half, Direction direction, std::string& bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ScanParts(ZmtpScan& scan, std::string& bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseConnection(Connection& connection, bool reset);
  void Wake();
  int PollOnce(runtime::Time now);

  const int listener_;
  const int wake_;
  const std::string target_host_;
  const std::uint16_t target_port_;
  const std::uint16_t port_;

  mutable runtime::Mutex mutex_;
  runtime::Duration delay_ ABSL_GUARDED_BY(mutex_){};
  bool black_hole_ ABSL_GUARDED_BY(mutex_) = false;
  bool refuse_ ABSL_GUARDED_BY(mutex_) = false;
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Flip> flip_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t large_parts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Counts> counts_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> stopping_{false};

  std::list<Connection> connections_;  // The proxy thread's.
  std::thread thread_;
};

}  // namespace tests

#endif  // RONDO_TESTS_TOOLS_TCP_PROXY_H_
