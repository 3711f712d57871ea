@0xe1d9b0c7a6f34825;
# The messages of apps/examples/pingpong.cc: the runtime used alone.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("schema");

struct Ping {
  # player -> table, a question.

  number @0 :UInt32;
  # Counts the player's pings, from 1.
}

struct Pong {
  # table -> player: answers Ping.

  number @0 :UInt32;
  # Of the ping.

  seen @1 :UInt32;
  # Pings in the table's present life, from 1: a restart begins anew.
}
