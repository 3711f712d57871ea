@0xb7d0c4a19e5f2863;
# What a monitor and a worker say to one another when the worker was without its head for a while.

using Cxx = import "/capnp/c++.capnp";
using import "/schema/training.capnp".Fence;
using import "/schema/training.capnp".Hash;
using import "/schema/training.capnp".ReadyToRun;
$Cxx.namespace("schema");

struct Recover {
  # monitor -> worker that was without its head, maybe until this one was started anew: end the step
  # in hand, and tell where you stand. Answer: Recovered, after which the worker stays at this
  # boundary.

  run @0 :UInt64;
  headEpoch @1 :UInt32;
  monitor @2 :UInt64;
  # Actor on the head's node that this worker is to answer to from now on.
}

struct Recovered {
  # worker -> monitor, answer to Recover.

  inRun @0 :Bool;
  # It holds a model of that run; else all below is void.
  ready @1 :ReadyToRun;
  # baseRoot: of its present base.
  slot @2 :UInt32;
  round @3 :UInt64;
  # That its base belongs to.
  step @4 :UInt64;
  # The last one that it took.
  inDoubt @5 :Bool;
  # It has completed the ring of `fence`, and heard neither COMMIT nor ABORT.
  fence @6 :Fence;
  reduced @7 :Hash;
  # Root of what that ring left behind.
}

struct Resolve {
  # monitor -> worker, after Recovered: what became of the ring in doubt. Answer: Nothing once that
  # is done; the worker waits for PullBase or for a view.

  run @0 :UInt64;
  committed @1 :Bool;
  # Its ring is the base of a round: what was trained since it began stays. Else all drift stays.
}
