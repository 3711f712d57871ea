// The runtime used alone, as a tutorial: two nodes, an actor with a name, questions with a
// deadline, and an actor that fails and is started again. Its messages are in
// schema/pingpong.capnp.
#include <iostream>

#include "runtime/actor/node_thread.h"
#include "runtime/base/random.h"
#include "runtime/net/zmq_transport.h"
#include "schema/pingpong.capnp.h"

using namespace runtime;
using namespace std::chrono_literals;

// 1. Messages: plain structs beside their schema. A message with a Reply is a question.
struct Pong {
  using Wire = schema::Pong;
  void Encode(Wire::Builder wire) const { wire.setNumber(number), wire.setSeen(seen); }
  static absl::StatusOr<Pong> Decode(Wire::Reader wire) {
    return Pong{wire.getNumber(), wire.getSeen()};
  }
  std::uint32_t number = 0, seen = 0;
};
struct Ping {
  using Wire = schema::Ping;
  using Reply = Pong;
  void Encode(Wire::Builder wire) const { wire.setNumber(number); }
  static absl::StatusOr<Ping> Decode(Wire::Reader wire) { return Ping{wire.getNumber()}; }
  std::uint32_t number = 0;
};

// 2. An actor says what it accepts, and handles it. It owns its fields: no locks. An error (or an
// exception) fails it; its supervisor starts a new one under the same address.
struct Table : TypedActor<Table, Protocol<Ping>> {
  absl::Status OnStart(Context& context) override {
    context.Register("table", [](const absl::Status&) {});
    return absl::OkStatus();
  }
  absl::Status On(Context&, const Ping& ping, Responder<Pong> responder) {
    if (ping.number == 3) return absl::InternalError("the ball broke a leg");
    responder.Answer(Pong{ping.number, ++seen_});
    return absl::OkStatus();
  }
  std::uint32_t seen_ = 0;
};

// 3. Another finds it by its name, asks, and always hears back: an answer, a deadline, an error.
struct Player : TypedActor<Player, Protocol<>> {
  explicit Player(Node& node) : node(node) {}
  absl::Status OnNodeUp(Context& context, const NodeInfo&) override {
    context.Resolve("table", 5s, [this, &context](absl::StatusOr<ActorAddress> address) {
      if (!address.ok()) return node.RequestEnd(address.status());
      table.address = *address;
      Serve(context, 1);
    });
    return absl::OkStatus();
  }
  void Serve(Context& context, std::uint32_t number) {
    context.Ask(table, Ping{number}, 2s, [this, &context, number](absl::StatusOr<Pong> pong) {
      if (pong.ok())
        std::cout << "pong " << pong->number << ", " << pong->seen << " in this life\n";
      if (!pong.ok()) std::cout << "the table fell: " << pong.status().message() << "\n";
      if (number == 5) return node.RequestEnd(absl::CancelledError("bye"));
      context.After(pong.ok() ? 0ms : 500ms, [=, this, &context] { Serve(context, number + 1); });
    });
  }
  Node& node;
  ActorRef<Table::ProtocolType> table;
};

// 4. A node is an identity, a way to the network, and a thread; main wires them.
int main() {
  const SteadyClock clock;
  const NodeId head_id = RandomNodeId(), player_id = RandomNodeId();
  using Role = ZmqTransportOptions::Role;
  ZmqTransport head_net({head_id, Role::kListen, *ParseListenAddress("tcp://127.0.0.1:0")});
  Node head({.id = head_id, .is_head = true}, clock, head_net);
  NodeThread head_thread(head);
  (void)head.Spawn("table", [] { return std::make_unique<Table>(); });
  if (const absl::Status started = head_thread.Start(); !started.ok()) return 1;

  ZmqTransport player_net({player_id, Role::kConnect, head_net.control_address()});
  Node player({.id = player_id, .name = "player"}, clock, player_net);
  NodeThread player_thread(player);
  (void)player.Spawn("player", [&] { return std::make_unique<Player>(player); });
  if (const absl::Status started = player_thread.Start(); !started.ok()) return 1;

  std::cout << player_thread.RunUntil([] { return false; }).message() << "\n";
}
