@0xd5a3c1f0b7e94a10;
# What every control frame holds: an addressed message.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("schema");

struct NodeId {
  # One process, once: 128 random bits.

  high @0 :UInt64;
  low @1 :UInt64;
}

struct Envelope {
  # any node -> any node, around every message. The connection tells who sent it; `from` must agree,
  # or the frame must come by the head's relay.

  enum Kind {
    tell @0;
    # One way.

    ask @1;
    # Wants an answer with the same correlation.

    answer @2;
    # Body holds the reply.

    failure @3;
    # The ask failed: body holds a Failure.
  }

  to @0 :NodeId;
  toActor @1 :UInt64;
  # Hash of the actor's name within its node. 0: nobody, the frame is for the asker's node itself.

  from @2 :NodeId;
  fromActor @3 :UInt64;

  kind @4 :Kind;

  correlation @5 :UInt64;
  # Number of the question among those of `from`, from 1. 0 in a tell.

  type @6 :UInt64;
  # The 64-bit id of the body's struct, as capnp knows it.

  body @7 :AnyPointer;
}

struct Failure {
  # whoever was asked -> asker: why there is no answer.

  code @0 :UInt16;
  # An absl::StatusCode, 1 to 16.

  message @1 :Text;

  errorCode @2 :Text;
  # Greppable code of runtime/base/error.h, or empty.

  exitCode @3 :UInt16;
  hint @4 :Text;
}
