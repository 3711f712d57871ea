// An actor that counts, and breaks when it is told to: for tests of the runtime.
#ifndef RONDO_TESTS_SUPPORT_COUNTING_H_
#define RONDO_TESTS_SUPPORT_COUNTING_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/actor/protocol.h"
#include "tests/support/counting.capnp.h"

namespace tests {

struct Count {
  using Wire = schema::Count;
  void Encode(Wire::Builder wire) const { wire.setAmount(amount); }
  static absl::StatusOr<Count> Decode(Wire::Reader wire) {
    // So that a test can send what breaks a range.
    if (wire.getAmount() > 1000000) return absl::InvalidArgumentError("too much");
    return Count{.amount = wire.getAmount()};
  }
  std::uint64_t amount = 1;
};

struct Total {
  using Wire = schema::Total;
  void Encode(Wire::Builder wire) const {
    wire.setValue(value);
    wire.setLife(life);
  }
  static absl::StatusOr<Total> Decode(Wire::Reader wire) {
    return Total{.value = wire.getValue(), .life = wire.getLife()};
  }
  std::uint64_t value = 0;
  std::uint64_t life = 0;
};

struct Read {
  using Wire = schema::Read;
  using Reply = Total;
  void Encode(Wire::Builder wire) const {}
  static absl::StatusOr<Read> Decode(Wire::Reader wire) { return Read{}; }
};

struct Break {
  using Wire = schema::Break;
  enum How : std::uint16_t { kError, kException };
  void Encode(Wire::Builder wire) const { wire.setHow(how); }
  static absl::StatusOr<Break> Decode(Wire::Reader wire) {
    return Break{.how = static_cast<How>(wire.getHow())};
  }
  How how = kError;
};

struct Ignore {
  using Wire = schema::Ignore;
  using Reply = Total;
  void Encode(Wire::Builder wire) const {}
  static absl::StatusOr<Ignore> Decode(Wire::Reader wire) { return Ignore{}; }
};

struct Blob {
  using Wire = schema::Blob;
  static constexpr runtime::Lane kLane = runtime::Lane::kData;
  void Encode(Wire::Builder wire) const { wire.initBytes(static_cast<unsigned>(size)); }
  static absl::StatusOr<Blob> Decode(Wire::Reader wire) {
    return Blob{.size = wire.getBytes().size()};
  }
  std::size_t size = 0;
};

struct Unknown {
  using Wire = schema::Unknown;
  void Encode(Wire::Builder wire) const {}
  static absl::StatusOr<Unknown> Decode(Wire::Reader wire) { return Unknown{}; }
};

using CounterProtocol = runtime::Protocol<Count, Read, Break, Ignore, Blob>;
using CounterRef = runtime::ActorRef<CounterProtocol>;

// What all lives of one counter leave behind for the test.
struct CounterRecord {
  std::uint64_t lives = 0;
  std::uint64_t blobs = 0;
  std::uint64_t stops = 0;
  std::vector<std::string> nodes;  // "up NAME", "down MESSAGE".
};

class Counter final : public runtime::TypedActor<Counter, CounterProtocol> {
 public:
  explicit Counter(CounterRecord& record) : record_(record) { ++record_.lives; }

  absl::Status On(runtime::Context& context, const Count& count) {
    total_ += count.amount;
    return absl::OkStatus();
  }
  absl::Status On(runtime::Context& context, const Read& read,
                  runtime::Responder<Total> responder) {
    responder.Answer(Total{.value = total_, .life = record_.lives});
    return absl::OkStatus();
  }
  absl::Status On(runtime::Context& context, const Break& order) {
    if (order.how == Break::kException) std::stoi("not a number");
    return absl::InternalError("it was told to break");
  }
  absl::Status On(runtime::Context& context, const Ignore& ignore,
                  runtime::Responder<Total> responder) {
    kept_.push_back(std::move(responder));
    return absl::OkStatus();
  }
  absl::Status On(runtime::Context& context, const Blob& blob) {
    ++record_.blobs;
    return absl::OkStatus();
  }
  absl::Status OnNodeUp(runtime::Context& context, const runtime::NodeInfo& node) override {
    record_.nodes.push_back("up " + node.name);
    return absl::OkStatus();
  }
  absl::Status OnNodeDown(runtime::Context& context, runtime::NodeId node,
                          const absl::Status& why) override {
    record_.nodes.push_back("down " + std::string(why.message()));
    return absl::OkStatus();
  }
  void OnStop(runtime::Context& context) override { ++record_.stops; }

 private:
  CounterRecord& record_;
  std::uint64_t total_ = 0;
  std::vector<runtime::Responder<Total>> kept_;
};

// An actor that does on its start, and whenever a node comes up, what the test says; its context
// then serves the test, between the events of a simulation.
class Puppet final : public runtime::TypedActor<Puppet, runtime::Protocol<Unknown>> {
 public:
  using Start = std::function<absl::Status(runtime::Context&)>;
  explicit Puppet(Start start) : start_(std::move(start)) {}
  absl::Status OnStart(runtime::Context& context) override { return start_(context); }
  absl::Status On(runtime::Context& context, const Unknown& message) { return absl::OkStatus(); }

 private:
  Start start_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_COUNTING_H_
