@0xb7c1d4e88f20a953;
# What a node that lacks a vector says to one that holds it, and the answers (protocol.md,
# section 8).
#
# A message is one ZeroMQ part: magic, size and checksum (runtime/collective/sealed_message.h), then
# one segment with this root. A chunk is followed by a second part, its floats: raw, 32-bit, little
# endian. Requests are DEALER -> ROUTER, answers come back on the same connection, one for each
# request.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("schema");

struct TransferMessage {
  # Root of the vector's hash tree, with its layout and length: it names the vector.
  rootHigh @0 :UInt64;
  rootLow @1 :UInt64;

  union {
    request @2 :Request;
    chunk @3 :Chunk;
    notHeld @4 :Void;
    # donor -> asker: it holds no such vector (any more), or none that long.
  }

  struct Request {
    # asker -> donor, a few ahead of the answers.
    offset @0 :UInt64;  # Of the first float, in floats, below 2^48.
    floats @1 :UInt32;  # 1 to 131,072.
    checkpoint @2 :Bool;  # The asker is a head that keeps it; else one that joins. For the books.
  }

  struct Chunk {
    # donor -> asker: exactly the range of a request. One raw part follows.
    offset @0 :UInt64;    # As in the request.
    floats @1 :UInt32;    # As in the request; length of the raw part in floats.
    checksum @2 :UInt64;  # XXH3-64 of the raw part.
  }
}
