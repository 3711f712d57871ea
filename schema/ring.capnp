@0xe2f6b0a94d83c517;
# What members of a ring say to their neighbours (protocol.md, sections 4 and 5).
#
# A message is one ZeroMQ part: magic, size and checksum (runtime/collective/ring_message.h), then
# one segment with this root. A chunk is followed by a second part, its floats: raw, 32-bit, little
# endian. The way down the ring (hello, chunks) is DEALER -> ROUTER, the way up (credit) is the
# ROUTER's answer on the same connection. If the previous member cannot connect to the next one, the
# next one connects to it: hello and credits are DEALER -> ROUTER, chunks the answer.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("schema");

struct RingMessage {
  # member -> neighbour, while a ring runs and just before.

  # The fence (protocol.md, section 1): older ones are dropped and counted.
  run @0 :UInt64;        # Random number of the run.
  headEpoch @1 :UInt32;  # From 1.
  view @2 :UInt32;
  round @3 :UInt64;
  attempt @4 :UInt32;

  union {
    hello @5 :Hello;
    credit @6 :Credit;
    chunk @7 :Chunk;
  }

  struct Hello {
    # member -> neighbour that it connected to: first on a fresh connection, and again until a
    # credit or a chunk comes. It tells whose connection this is, and which of the two of an edge.
    fromHigh @0 :UInt64;  # Incarnation of the sender.
    fromLow @1 :UInt64;
    toHigh @2 :UInt64;    # Incarnation it believes to speak to.
    toLow @3 :UInt64;
    fromNext @4 :Bool;    # The sender comes after the receiver in the ring, not before it.
  }

  struct Credit {
    # member -> previous in the ring: when it enters the fence, and after each chunk it took out of
    # the message. So a credit also says "I am in this fence".
    limit @0 :UInt32;  # Chunks of this fence's stream that may be sent in all; never falls.
  }

  enum Phase {
    reduceScatter @0;  # Floats are partial sums of weighted drifts.
    allgather @1;      # Floats are the reduced values, as their owner finalised them.
  }

  struct Chunk {
    # member -> next in the ring, within the credit. One raw part follows.
    sequence @0 :UInt32;  # Place in the stream of this edge and fence, from 0, without gaps.
    phase @1 :Phase;
    segment @2 :UInt16;   # 0 to world size - 1.
    index @3 :UInt32;     # Of the chunk within its segment.
    floats @4 :UInt32;    # Length of the raw part in floats, 1 to 1,048,576.
    checksums @5 :List(UInt64);
    # XXH3-64 of each part of a leaf in the chunk, in order, 1 to 64. Leaves are the fixed 64 KiB
    # ranges of the vector; a part is a whole leaf, unless a segment border cuts it.
  }
}
