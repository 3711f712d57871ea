@0xc8a5e6f1d2b34907;
# What monitor and workers say to one another.
#
# All orders of a monitor to its workers share one sequence of numbers (`number`), so do all answers
# of one worker. Either side tells the other with every MemberStatus how far it has come, and the
# other re-sends what is lacking; so no single copy of a message matters.

using Cxx = import "/capnp/c++.capnp";
using import "/schema/envelope.capnp".NodeId;
$Cxx.namespace("schema");

# -------------------------------------------------------------------------------- shared parts --

struct Fence {
  # Which try of which round, in which membership, of which run (runtime/group/fence.h).

  run @0 :UInt64;
  headEpoch @1 :UInt32;
  view @2 :UInt32;
  round @3 :UInt64;
  attempt @4 :UInt32;
  # 0 on reports and decisions, and on a READY that nobody asked for.
}

struct Hash {
  # XXH3-128.

  high @0 :UInt64;
  low @1 :UInt64;
}

struct Bytes {
  # What one process sent so far in this run, in bytes: payload, headers and ZMTP framing.

  control @0 :UInt64;
  state @1 :UInt64;
  decision @2 :UInt64;
  ring @3 :UInt64;
  evaluation @4 :UInt64;
  join @5 :UInt64;
  checkpoint @6 :UInt64;
}

struct Dropped {
  # What one process refused on arrival, in messages or connections.

  handshake @0 :UInt64;
  frame @1 :UInt64;
  checksum @2 :UInt64;
  fence @3 :UInt64;
  decode @4 :UInt64;
  actor @5 :UInt64;
  full @6 :UInt64;
  route @7 :UInt64;
}

struct Nothing {
  # An answer that says only that the question arrived and was obeyed.
}

# ------------------------------------------------------------------------------ monitor, worker --

struct Assign {
  # monitor -> worker, once per run: build the model and the data. Answer: ReadyToRun, or a failure
  # with an error code when the data or the configuration cannot be used here.

  run @0 :UInt64;
  headEpoch @1 :UInt32;
  slot @2 :UInt32;
  # Smallest free number; seeds the worker's random streams. 0 to 63.

  config @3 :Text;
  # The resolved configuration, TOML.

  monitor @4 :UInt64;
  # Actor on the head's node that answers go to.
}

struct RingEndpoint {
  # Where a worker's ring socket listens.

  tcp @0 :Text;
  # "tcp://host:port"; empty in Start if the head could not connect to it: nobody is to try.
  ipc @1 :Text;
  hostKey @2 :Text;
}

struct ReadyToRun {
  # worker -> monitor, answer to Assign: model and data are built.

  layoutHash @0 :UInt64;
  trainable @1 :UInt64;
  # d, in floats.
  total @2 :UInt64;
  # Floats that the ring carries, >= trainable.
  baseRoot @3 :Hash;
  # Of the initial model; equal on all members.
  dataFingerprint @4 :UInt64;
  # Of the training set; equal on all members. 0 if each node has its own data.
  trainSamples @5 :UInt64;
  # In the whole set, or of its own; > 0.
  testSamples @6 :UInt64;
  endpoint @7 :RingEndpoint;
  transfer @8 :RingEndpoint;
  # Where others fetch its base.
  sampleShape @9 :List(UInt32);
  # Sizes of one sample, 0 to 8 of them (none: no data); equal on all members.
  samplesByClass @10 :List(UInt64);
  # Training samples of the whole common set, or of its own; 0 to 4096 classes, as many on all
  # members.
  committed @11 :UInt64;
  # Floats of the committed state, >= total: the model, and what a server optimizer remembers.
}

struct PullBase {
  # monitor -> newcomer, before the first view that holds it: fetch the base of the present round.
  # Answer: Pulled. Before its first base a newcomer also fetches the first donor's moments
  # (LendMoments). A newer one replaces the one before it, which is then not answered.

  run @0 :UInt64;
  root @1 :Hash;
  donors @2 :List(Member);
  # In the order in which to try them; endpoint is where they serve their base. None: to hear
  # whether the newcomer holds that base already.
  seconds @3 :Float64;
  # The base may take, at most; the moments before it twice that.
  keepDrift @4 :Bool;
  # Of one that was there before (Recover): its drift is in nobody's mean.
}

struct Pulled {
  # newcomer -> monitor, the answer to PullBase: what it holds now.

  root @0 :Hash;
  # Of its base. If it is the one that was asked for, its drift is 0, or kept (keepDrift).
  failure @1 :Text;
  # Why it is not.
  freshMoments @2 :Text;
  # Why its optimizer begins anew, without a member's moments; empty: it does not, or has none.
}

struct Leave {
  # worker -> monitor: I am to leave. Answer: Nothing once this worker is in no view any more, its
  # drift in a commit if run.on_leave_sync says so.

  run @0 :UInt64;
}

struct Drain {
  # head -> worker: leave the run, if you are in one, and end the process (`rondo leave`).
}

struct Member {
  # One worker of a view.

  node @0 :NodeId;
  slot @1 :UInt32;
  # 0 to 63.
  weight @2 :Float32;
  # Share in the mean, finite, >= 0; constant within a view.
  endpoint @3 :RingEndpoint;
}

struct Decision {
  # monitor -> all workers, published. Lockstep: every report of (view, sequence) is in; train on.
  # Quantum: train on, if you wait, and watch these marks, or report your drift if it is a poll.

  fence @0 :Fence;
  number @1 :UInt64;
  sequence @2 :UInt64;
  # Quantum: number of the poll, or of the one whose answers the marks were made from.
  step @3 :UInt64;
  # The run's step number; members take it over (lockstep).
  poll @4 :Bool;
  xhat @5 :Float64;
  # Mean projection of the drifts on xi, finite; 0: none.
  quantum @6 :Float64;
  # Distance between two marks, in units of theta; infinite: report nothing. Lockstep, poll: 0.
}

struct Order {
  # monitor -> each worker: what to do next, in order of `number`.

  fence @0 :Fence;
  number @1 :UInt64;
  # From 1 within a run, shared with Decision.
  step @2 :UInt64;
  # The run's step number; members take it over.

  union {
    view :group {
      # These are the members now. Every member reports its drift as it is, without another step,
      # at its next boundary; those of a fixed schedule train on, or say READY again if they wait
      # in it.

      members @3 :List(Member);
      # By slot.

      synchronizedStep @13 :UInt64;
      # Step of the last commit: a newcomer's intervals begin there.

      hold @14 :Bool;
      # A fixed schedule only: stay at the next boundary, PREPARE follows.

      sequence @15 :UInt64;
      # Of the report that is asked for: 0, or a poll's number (quantum).
    }

    prepare :group {
      # Answer READY at the step boundary, and stop there. It is the decision of the present
      # sequence.

      purpose @4 :Purpose;
      trainOn @19 :Bool;
      # The ring is to have the model as it is there, while this worker trains on (overlap).
    }

    start :group {
      # Run the ring in the order of the list. For a fixed schedule also the PREPARE.

      purpose @5 :Purpose;
      members @6 :List(Member);
    }

    commit :group {
      # All DONE with this root: `shadow` is the new base.

      root @7 :Hash;
      thenEvaluate @8 :Bool;
      # Evaluate the new base, answer EVALUATED and wait; otherwise train on.

      thenWait @12 :Bool;
      # Take no further step: FINISH or a new view follows.

      sequence @16 :UInt64;
      quantum @17 :Float64;
      # The marks from here on, with xhat 0 (quantum); see Decision.

      maxInterval @18 :UInt64;
      # Steps from here to the next synchronization, at most; 0: no bound. Whoever comes to it says
      # so (quantum).
    }

    abort @9 :Text;
    # This attempt is over, for the reason given. Drifts are intact; wait.

    evaluate @10 :Void;
    # Evaluate the mean that the evaluation ring left in `shadow`; answer EVALUATED and wait.

    finish :group {
      # The run is over, well or not: whoever is told waits for another one.

      saveModel @11 :Bool;
      # This member sends the committed model to the head (ModelPart) before FINISHED.
    }
  }

  enum Purpose {
    synchronize @0;
    evaluate @1;
  }
}

struct StateReport {
  # worker -> monitor: how far this worker has drifted. Lockstep: after every step. Quantum: the
  # answer to a poll, or word that a mark was passed.

  fence @0 :Fence;
  number @1 :UInt64;
  sequence @2 :UInt64;
  # Counts reports within a view, from 0. Quantum: number of the poll.

  step @3 :UInt64;
  # Quantum: of this worker, which goes its own pace.
  squaredNorm @4 :Float32;
  # ‖u‖², >= 0. A value that is not finite fails the run with this worker's name.

  projection @5 :Float32;
  # <xi, u>; 0 without xi.

  xiNew @6 :Hash;
  xiOld @7 :Hash;
  # Roots of the two bases that xi was made from; both 0: none.

  vector @8 :Data;
  # Little-endian float32: the sketch, or u itself (exact); empty otherwise.

  due @9 :Bool;
  # Quantum: by this worker's count the run has come to a step at which something is to happen.

  rests @10 :Bool;
  # Not drawn for this round (strategy.participants): its drift is 0 and counts for nothing.
}

struct Predictions {
  correct @0 :UInt64;
  # At most `all`.
  all @1 :UInt64;
  # 0 of a model without classes.
}

struct Answer {
  # worker -> monitor: what became of an order, in order of `number`.

  fence @0 :Fence;
  number @1 :UInt64;
  # From 1 within a run, shared with StateReport.

  union {
    ready :group {
      # At a step boundary, and stopped there unless it was to train on.

      purpose @2 :Order.Purpose;
      step @3 :UInt64;
      weight @4 :Float32;
      root @5 :Hash;
      # Of the committed base; equal on all members.
      loss @6 :Float64;
      # Mean training loss of the steps since the last commit.
      predictions @28 :Predictions;
      # On the batches of these steps, each before the step on it.

      driftRound @22 :UInt64;
      # What follows is about this round, the last that this worker committed as a member; counted
      # as synchronizations, from 1. 0: there is none. u is this worker's drift in that round's
      # ring, m the mean drift, new base - old base, both of the trainable part.
      squaredDrift @23 :Float64;
      # ‖u‖², >= 0, or not finite if u is not.
      driftAlongMean @24 :Float64;
      # <u, m>; at most ‖u‖‖m‖ in size, up to rounding, which nobody relies on.
      squaredMean @25 :Float64;
      # ‖m‖², >= 0.
      squaredEnd @26 :Float64;
      projectionEnd @27 :Float64;
      # ‖v‖² and <xi, v>, v being the drift as it was when that round was committed: u and what was
      # trained while its ring ran (overlap). Both 0 for a worker that waited for it.
      rests @30 :Bool;
      # As in a report.
    }

    done :group {
      # The ring is complete here.

      root @7 :Hash;
      # Over the reduced bytes.
      seconds @8 :Float64;
      # 0 to 1e8, as all seconds here.
      sent @9 :Bytes;
      squaredDrift @31 :Float64;
      # With a server optimizer ‖u‖², u being this worker's drift in that ring, trainable part, and
      squaredMean @32 :Float64;
      # that of their mean, before the optimizer's step: the members' variance follows. Else both 0.
    }

    fail :group {
      # This worker cannot go on with the fence.

      code @10 :Text;
      # Greppable: RING_CORRUPT, RING_FAILED, DIVERGED, WORKER_FAILED.
      message @11 :Text;
    }

    evaluated :group {
      # This member's share of the test set.

      correct @12 :UInt64;
      samples @13 :UInt64;
      lossSum @14 :Float64;
    }

    finished :group {
      # The last word of this worker in this run.

      sent @15 :Bytes;
      dropped @16 :Dropped;
      computeSeconds @17 :Float64;
      waitSeconds @18 :Float64;
      ringSeconds @19 :Float64;
      evaluateSeconds @20 :Float64;
      samples @21 :UInt64;
      predictions @29 :Predictions;
      # As READY's, of all steps in this run.
    }
  }
}

struct MemberStatus {
  # worker -> monitor, every heartbeat interval. Answer: MemberStatusReply.

  fence @0 :Fence;
  lastOrder @1 :UInt64;
  # Highest order or decision obeyed; the monitor re-sends what follows it.
  lastAnswer @2 :UInt64;
  # Highest report or answer sent.
  step @3 :UInt64;
  dropped @4 :Dropped;
  driftSquared @5 :Float32;
  sent @6 :Bytes;
  samples @7 :UInt64;
  # Trained on so far, in this run.
  orphan @8 :Bool;
  # It was without its head, and trains by itself until it is asked to Recover.
  ringReceived @9 :UInt32;
  ringForNext @10 :UInt32;
  # Chunks in the ring of `fence`: added or stored; there for its successor. 0 without a ring.
  stepSeconds @11 :Float64;
  # What a step takes it, smoothed; >= 0. 0: not known yet.
  predictions @12 :Predictions;
  # As READY's, so far in this run.
}

struct MemberStatusReply {
  # monitor -> worker: what the monitor holds of it; the worker re-sends what follows.

  lastAnswer @0 :UInt64;
}

struct ModelPart {
  # worker -> head, one at a time: a piece of model.pt. Answer: Nothing.

  run @0 :UInt64;
  offset @1 :UInt64;
  # Bytes from the file's start.
  data @2 :Data;
  # At most 512 KiB.
  last @3 :Bool;
}
