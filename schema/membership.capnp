@0xb8a1f3c2d4e65907;
# How a process becomes a node of the cluster, stays one, and ceases to be one; and the services
# that every node gives: names and spawning. Frames of this file are addressed to actor 0, the node
# itself.
#
# Join, Welcome and Refused are read across versions (their frames carry protocol version 0 and
# fingerprint 0): fields are only ever added to them, at the end.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("schema");

struct Join {
  # node -> head, the first frame of a connection; again until it is answered, and again after a
  # reconnect. Answered by Welcome or Refused.

  protocol @0 :UInt16;
  # Protocol version of the node, from 1.

  fingerprint @1 :UInt64;
  # XXH3-64 of the .capnp files the node was built from.

  token @2 :Text;
  # What the head's owner gave out; empty if the head asks for none. At most 256 bytes.

  name @3 :Text;
  # Chosen by people, not unique, at most 128 bytes.

  role @4 :Text;
  # What the layer above makes of the node: "worker", "client". At most 64 bytes.

  details @5 :Text;
  # JSON of the layer above, at most 64 KiB.

  address @6 :Text;
  # The host by which other nodes reach this one, or empty if it does not know.
}

struct Welcome {
  # head -> node: answers Join.

  headHigh @0 :UInt64;
  headLow @1 :UInt64;
  # The head's incarnation.

  epoch @2 :UInt32;
  # Rises with each start of the head, from 1.

  heartbeatMs @3 :UInt32;
  # Milliseconds between the heartbeats that the node shall send, 10 to 60,000.

  silenceMs @4 :UInt32;
  # Milliseconds of silence after which either side calls the other dead, 50 to 600,000.
}

struct Refused {
  # head -> node: answers Join. The connection is of no more use.

  code @0 :Text;
  # Greppable code, upper case: "TOKEN_WRONG".

  exit @1 :UInt16;
  # Exit code of the process that tried to join, 1 to 125.

  message @2 :Text;
  # One sentence what, one why.

  hint @3 :Text;
  # What to do, or empty.
}

struct Heartbeat {
  # node -> head, every heartbeatMs, from the transport's thread: it shows that the process lives,
  # not that its actors are idle.

  beat @0 :UInt64;
  # Number of this heartbeat, from 1.

  progress @1 :List(UInt64);
  # Counters that rise while the node gets on, at most 64. The layer above gives them meaning.
}

struct HeartbeatAnswer {
  # head -> node: answers Heartbeat, from the transport's thread. The head's sign of life.

  beat @0 :UInt64;
  # The beat that is answered.
}

struct Goodbye {
  # node -> head, or head -> node: the last frame of an orderly stop.

  reason @0 :Text;
}

struct Evicted {
  # head -> node: the head counts this incarnation as dead, for good. Sent when that is decided, and
  # again when the node still speaks.

  code @0 :Text;
  exit @1 :UInt16;
  message @2 :Text;
  hint @3 :Text;
  # As in Refused.
}

struct RegisterName {
  # node -> head, a question: one of its actors takes a name in the cluster. A name is free again
  # when its node is gone. Refused with kAlreadyExists while another address holds it.

  name @0 :Text;
  # 1 to 128 bytes.

  actor @1 :UInt64;
  # An actor of the asking node; not 0.
}

struct Registered {
  # head -> node: answers RegisterName.
}

struct ResolveName {
  # node -> head, a question: who has this name? The head waits for the name to be taken.

  name @0 :Text;
  # 1 to 128 bytes.

  waitMs @1 :UInt32;
  # How long the asker waits, at most 3,600,000 ms; then kNotFound.
}

struct Resolved {
  # head -> node: answers ResolveName.

  nodeHigh @0 :UInt64;
  nodeLow @1 :UInt64;
  actor @2 :UInt64;
  # Not 0.
}

struct SpawnActor {
  # head -> node, a question: start an actor of a kind that the node registered.

  kind @0 :Text;
  name @1 :Text;
  # Unique within the node; 1 to 128 bytes each.
}

struct Spawned {
  # node -> head: answers SpawnActor. The actor is created; its first handler runs next.

  actor @0 :UInt64;
  # Not 0.
}
