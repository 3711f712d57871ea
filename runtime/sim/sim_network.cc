#include "runtime/sim/sim_network.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/net/frame.h"

namespace runtime::sim {
namespace {

// ZMTP's framing of a message of more than 255 bytes.
constexpr std::size_t kFramingBytes = 9;
// Frames of a peer that the head takes before it welcomed it: so many, and one more each second.
constexpr int kFramesOfStrangers = 8;

std::size_t BytesOf(const Frame& frame) {
  return frame.size() * sizeof(std::uint64_t) + kFramingBytes;
}

}  // namespace

class SimNetwork::SimTransport final : public Transport {
 public:
  SimTransport(SimNetwork& network, NodeId id, bool is_head)
      : network_(network), id_(id), is_head_(is_head) {}
  ~SimTransport() override { Stop(Duration::zero()); }

  absl::Status Start(TransportListener& listener) override {
    listener_ = &listener;
    network_.OnStarted(*this);
    return absl::OkStatus();
  }

  void Stop(Duration linger) override {
    if (listener_ == nullptr) return;
    listener_ = nullptr;
    network_.scheduler_.Cancel(heartbeat_timer_);
    network_.OnStopped(*this);
  }

  absl::Status Send(NodeId to, Traffic kind, Frame frame) override {
    const NodeId peer = to == kHeadNode ? network_.head_ : to;
    if (listener_ == nullptr || network_.Find(peer) == nullptr || (!is_head_ && to != kHeadNode)) {
      return absl::UnavailableError(absl::StrCat("node ", to.ShortName(), " is not connected"));
    }
    sent_.Add(kind, BytesOf(frame));
    return network_.Carry(id_, peer, Channel::kDirect, kind, std::move(frame));
  }

  absl::Status Publish(Traffic kind, Frame frame) override {
    REQUIRE(is_head_);
    for (const NodeId peer : welcomed_) {
      if (network_.Find(peer) == nullptr) continue;
      sent_.Add(kind, BytesOf(frame));
      // A fast path: what does not fit is lost.
      (void)network_.Carry(id_, peer, Channel::kPublished, kind, frame);
    }
    return absl::OkStatus();
  }

  void Welcome(NodeId peer) override { welcomed_.insert(peer); }
  void Disconnect(NodeId peer) override {
    welcomed_.erase(peer);
    strangers_.erase(peer);
  }

  void SetHeartbeat(NodeId to, Duration interval, absl::AnyInvocable<Frame()> make) override {
    network_.scheduler_.Cancel(heartbeat_timer_);
    heartbeat_ = std::move(make);
    Beat(to, interval);
  }

  Ledger SentBytes() const override { return sent_; }
  Drops Dropped() const override { return dropped_; }

 private:
  friend class SimNetwork;

  void Beat(NodeId to, Duration interval) {
    heartbeat_timer_ = network_.scheduler_.Schedule(interval, [this, to, interval] {
      Frame frame = heartbeat_();
      if (!frame.empty()) (void)Send(to, Traffic::kControl, std::move(frame));
      Beat(to, interval);
    });
  }

  void Deliver(NodeId from, Frame frame) {
    switch (CheckFrame(frame.data(), frame.size() * sizeof(std::uint64_t))) {
      case FrameFault::kNone: break;
      case FrameFault::kChecksum: ++dropped_.checksum; return;
      default: ++dropped_.frame; return;
    }
    if (is_head_ && !welcomed_.contains(from) && !MaySpeak(strangers_[from])) {
      ++dropped_.handshake;
      return;
    }
    listener_->OnFrame(is_head_ ? from : kHeadNode, std::move(frame));
  }

  struct Stranger {
    int allowance = kFramesOfStrangers;
    Time since{};  // The last one that it was granted.
  };
  bool MaySpeak(Stranger& stranger) {
    const Time now = network_.scheduler_.Now();
    if (stranger.allowance == kFramesOfStrangers) stranger.since = now;
    while (stranger.allowance < kFramesOfStrangers &&
           now - stranger.since >= std::chrono::seconds(1)) {
      ++stranger.allowance;
      stranger.since += std::chrono::seconds(1);
    }
    if (stranger.allowance == 0) return false;
    --stranger.allowance;
    return true;
  }

  SimNetwork& network_;
  const NodeId id_;
  const bool is_head_;
  TransportListener* listener_ = nullptr;  // Null: not running.
  std::uint64_t connection_ = 0;           // Frames of an older one are not delivered.
  std::set<NodeId> welcomed_;
  std::map<NodeId, Stranger> strangers_;
  absl::AnyInvocable<Frame()> heartbeat_;
  std::uint64_t heartbeat_timer_ = 0;
  Ledger sent_;
  Drops dropped_;
};

std::unique_ptr<Transport> SimNetwork::MakeHead(NodeId id) {
  REQUIRE(head_.IsNull() || Find(head_) == nullptr);
  head_ = id;
  return std::make_unique<SimTransport>(*this, id, /*is_head=*/true);
}

std::unique_ptr<Transport> SimNetwork::MakeNode(NodeId id) {
  return std::make_unique<SimTransport>(*this, id, /*is_head=*/false);
}

SimNetwork::SimTransport* SimNetwork::Find(NodeId id) {
  const auto found = running_.find(id);
  return found == running_.end() ? nullptr : found->second;
}

Duration SimNetwork::DrawDelay() {
  const auto spread =
      static_cast<std::uint64_t>((options_.longest_delay - options_.shortest_delay).count());
  return options_.shortest_delay +
         Duration(static_cast<Duration::rep>(scheduler_.random().Below(spread + 1)));
}

absl::Status SimNetwork::Carry(NodeId from, NodeId to, Channel channel, Traffic traffic,
                               Frame frame) {
  const bool published = channel == Channel::kPublished;
  Way& way = ways_[{{from, to}, channel}];
  const std::size_t bytes = BytesOf(frame);
  if (way.bytes + bytes > options_.outbox_bytes) {
    return absl::ResourceExhaustedError("the outbox is full");
  }
  Fate fate;
  if (published && scheduler_.random().Fraction() < options_.publish_loss) fate.copies = 0;
  if (decide_) {
    const Fate decided = decide_({from, to, traffic, published, frame});
    fate.copies = std::min(fate.copies, 1) * decided.copies;
    fate.extra_delay = decided.extra_delay;
  }
  if (cut_.contains(std::minmax(from, to))) fate.copies = 0;
  for (int copy = 0; copy < fate.copies; ++copy) {
    way.last_arrival =
        std::max(scheduler_.Now() + DrawDelay() + fate.extra_delay, way.last_arrival + Duration(1));
    way.bytes += bytes;
    scheduler_.Schedule(way.last_arrival - scheduler_.Now(),
                        [this, from, to, channel, bytes, frame,
                         connection = running_.at(to)->connection_]() mutable {
                          ways_[{{from, to}, channel}].bytes -= bytes;
                          Arrive(from, to, std::move(frame), connection);
                        });
  }
  return absl::OkStatus();
}

void SimNetwork::Arrive(NodeId from, NodeId to, Frame frame, std::uint64_t connection) {
  SimTransport* const receiver = Find(to);
  if (receiver == nullptr || receiver->connection_ != connection) return;
  ++frames_;
  scheduler_.Trace(from.low);
  scheduler_.Trace(to.low);
  scheduler_.Trace(HashBytes(frame.data(), frame.size() * sizeof(std::uint64_t)));
  receiver->Deliver(from, std::move(frame));
}

void SimNetwork::OnStarted(SimTransport& transport) {
  REQUIRE(Find(transport.id_) == nullptr);
  ++transport.connection_;
  running_[transport.id_] = &transport;
}

void SimNetwork::OnStopped(SimTransport& transport) {
  running_.erase(transport.id_);
  const auto tell = [&](NodeId peer, NodeId gone, Duration delay) {
    scheduler_.Schedule(delay, [this, peer, gone] {
      SimTransport* const told = Find(peer);
      if (told == nullptr || cut_.contains(std::minmax(peer, told->is_head_ ? gone : head_)))
        return;
      told->listener_->OnDisconnected(
          gone, absl::UnavailableError("the connection was closed by its peer"));
    });
  };
  // Its last frames arrive before the end of the connection does.
  const auto after_last_frame = [&](NodeId peer) {
    const Time last = ways_[{{transport.id_, peer}, Channel::kDirect}].last_arrival;
    return std::max(last - scheduler_.Now(), Duration::zero()) + DrawDelay();
  };
  if (!transport.is_head_) {
    tell(head_, transport.id_, after_last_frame(head_));
    return;
  }
  for (const auto& [peer, unused] : running_) tell(peer, kHeadNode, after_last_frame(peer));
}

}  // namespace runtime::sim
