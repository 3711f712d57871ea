// A listener that remembers what a transport told it, and small frames to tell it.
#ifndef RONDO_TESTS_RUNTIME_NET_RECORDER_H_
#define RONDO_TESTS_RUNTIME_NET_RECORDER_H_

#include <absl/functional/function_ref.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/mutex.h"
#include "runtime/net/frame.h"
#include "runtime/net/transport.h"
#include "runtime/net/zmq_transport.h"
#include "schema/envelope.capnp.h"

namespace tests {

// Sanitizers and a busy machine make everything slower; nobody waits that long for success.
inline constexpr std::chrono::seconds kPatience{20};

inline runtime::Frame TextFrame(runtime::NodeId from, runtime::NodeId to, std::uint64_t number,
                                std::size_t characters = 10) {
  const runtime::Envelope envelope = {.to = to, .from = from, .correlation = number};
  return runtime::BuildFrame(envelope, [&](capnp::AnyPointer::Builder body) {
    body.initAs<schema::Failure>().setMessage(std::string(characters, 'x'));
  });
}

class Recorder final : public runtime::TransportListener {
 public:
  struct Arrival {
    runtime::NodeId connection;  // As the transport said.
    runtime::Envelope envelope;
    std::size_t words = 0;
  };
  struct Loss {
    runtime::NodeId peer;
    absl::Status why;
    runtime::Time when;
    std::size_t arrivals_before = 0;
  };

  void OnFrame(runtime::NodeId from, runtime::Frame frame) override {
    const auto reader = runtime::FrameReader::Open(frame);
    runtime::MutexLock lock(mutex_);
    const runtime::Envelope envelope = reader.ok() ? (*reader)->envelope() : runtime::Envelope{};
    arrivals_.push_back({from, envelope, frame.size()});
    if (on_frame_) on_frame_(arrivals_.back());
    changed_.NotifyAll();
  }

  void OnDisconnected(runtime::NodeId peer, absl::Status why) override {
    runtime::MutexLock lock(mutex_);
    losses_.push_back({peer, why, std::chrono::steady_clock::now(), arrivals_.size()});
    changed_.NotifyAll();
  }

  // Runs on the transport's thread. Set before Start.
  void set_on_frame(absl::AnyInvocable<void(const Arrival&)> on_frame) {
    runtime::MutexLock lock(mutex_);
    on_frame_ = std::move(on_frame);
  }

  bool WaitForArrivals(std::size_t count, runtime::Duration patience = kPatience) {
    return Wait(patience,
                [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return arrivals_.size() >= count; });
  }
  bool WaitForLosses(std::size_t count, runtime::Duration patience = kPatience) {
    return Wait(patience,
                [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return losses_.size() >= count; });
  }

  std::vector<Arrival> arrivals() const {
    runtime::MutexLock lock(mutex_);
    return arrivals_;
  }
  std::vector<Loss> losses() const {
    runtime::MutexLock lock(mutex_);
    return losses_;
  }

 private:
  template <typename Predicate>
  bool Wait(runtime::Duration patience, Predicate predicate) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    runtime::MutexLock lock(mutex_);
    while (!predicate()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      changed_.WaitUntil(mutex_, deadline);
    }
    return true;
  }

  mutable runtime::Mutex mutex_;
  runtime::Condition changed_;
  std::vector<Arrival> arrivals_ ABSL_GUARDED_BY(mutex_);
  std::vector<Loss> losses_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void(const Arrival&)> on_frame_ ABSL_GUARDED_BY(mutex_);
};

// For what no listener is told, such as counters. Looks again every few milliseconds.
inline bool Eventually(absl::FunctionRef<bool()> predicate,
                       runtime::Duration patience = kPatience) {
  runtime::Mutex mutex;
  runtime::Condition never;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  runtime::MutexLock lock(mutex);
  while (!predicate()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return false;
    never.WaitUntil(mutex, std::min(deadline, now + std::chrono::milliseconds(2)));
  }
  return true;
}

// One end of a cluster: a transport and what it heard.
struct End {
  explicit End(runtime::ZmqTransportOptions options) : self(options.self), transport(options) {}
  ~End() { transport.Stop(runtime::Duration::zero()); }

  const runtime::NodeId self;
  Recorder heard;
  runtime::ZmqTransport transport;
};

}  // namespace tests

#endif  // RONDO_TESTS_RUNTIME_NET_RECORDER_H_
