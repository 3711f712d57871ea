@0xb1d07a3c5e92f468;
# What a client (a verb of rondo, a launcher) and the head say to one another.

using Cxx = import "/capnp/c++.capnp";
using import "/schema/envelope.capnp".NodeId;
$Cxx.namespace("schema");

struct SubmitRun {
  # client -> head, once: start this run. Answer: RunAccepted.

  config @0 :Text;
  # The resolved configuration, TOML.

  follower @1 :UInt64;
  # Actor on the sender's node that RunEvents go to; 0: nobody follows.
}

struct RunAccepted {
  # head -> client: the run is on its list.

  runId @0 :Text;
  folder @1 :Text;
  # Where the head keeps the run's files, on the head's machine.
}

struct RunEvent {
  # head -> following clients, as it happens.

  runId @0 :Text;

  json @1 :Text;
  # One line of metrics.jsonl (actors/run_event.h).

  terminal @2 :Bool;
  # The last event of the run: its result, or its error.
}

struct StopRun {
  # client -> head: end the run at the next step boundary, with a synchronization. Answer:
  # StopAccepted.

  runId @0 :Text;
  # Empty: the run that is on.
}

struct StopAccepted {
  # head -> client: this run will end; RunsRequest tells when it has.

  runId @0 :Text;
}

struct RunsRequest {
  # client -> head. Answer: RunsReply.

  runId @0 :Text;
  # Empty: all that the head knows.
}

struct RunsReply {
  # head -> client: what `rondo runs --json` prints as its data.

  json @0 :Text;
}

enum RunFile {
  # What a client may fetch of a run's folder.

  config @0;
  # config.toml.
  metrics @1;
  # metrics.jsonl; it grows while the run is on.
  model @2;
  # model.pt; there once the run has ended.
}

struct FetchPart {
  # client -> head, one at a time: hand over a piece of a file of a run. Answer: FilePart.

  runId @0 :Text;
  file @1 :RunFile;
  offset @2 :UInt64;
  # Bytes from the file's start.
}

struct FilePart {
  # head -> client: what stands at that offset.

  size @0 :UInt64;
  # Of the whole file as it is now, in bytes.
  data @1 :Data;
  # At most 512 KiB; empty only at the file's end.
}

struct LeaveNode {
  # client -> head: let these workers leave in order, and their processes end. Answer: LeavingNodes,
  # at once; StatusReply tells when they are gone.

  node @0 :Text;
  # A worker's name or id (whole, or its first 8 digits), else the name of a machine: all its
  # workers, NODE-0, NODE-1 and so on.
}

struct LeavingNodes {
  # head -> client: who is leaving now.

  struct Leaver {
    node @0 :NodeId;
    name @1 :Text;
  }
  nodes @0 :List(Leaver);
  # 1 to 1024.
}

struct StatusRequest {
  # client -> head. Answer: StatusReply.
}

struct StatusReply {
  # head -> client: what `rondo status --json` prints as its data.

  json @0 :Text;
}

struct DownRequest {
  # client -> head: stop the cluster. Answer: Nothing, then the head ends.

  keepRun @0 :Bool;
  # The run that is on is not ended, but left to the next head: its model is kept on disk first.
}

struct ProcessExited {
  # launcher (`rondo join`, `rondo run`) -> head: a worker process that I started has ended.

  pid @0 :UInt32;
  # On the launcher's machine, as the worker told it in its JOIN.

  hostKey @1 :Text;
  # Of that machine.

  description @2 :Text;
  # "was killed by signal 9", "exited with code 1".

  lastLines @3 :Text;
  # The end of its log, at most 20 lines.

  comesBack @4 :Bool;
  # The launcher starts another in its place.
}
