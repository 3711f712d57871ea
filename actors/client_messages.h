// What the command line and the launchers say to the head, as plain structs. The contracts stand in
// schema/client.capnp.
#ifndef RONDO_ACTORS_CLIENT_MESSAGES_H_
#define RONDO_ACTORS_CLIENT_MESSAGES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "actors/run_folder.h"
#include "runtime/actor/protocol.h"
#include "schema/client.capnp.h"

namespace actors {

struct RunAccepted {
  using Wire = schema::RunAccepted;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<RunAccepted> Decode(Wire::Reader wire);

  std::string run_id;
  std::string folder;
};

struct SubmitRun {
  using Wire = schema::SubmitRun;
  using Reply = RunAccepted;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<SubmitRun> Decode(Wire::Reader wire);

  std::string config;  // TOML, resolved.
  runtime::ActorId follower{};
};

struct RunEventLine {
  using Wire = schema::RunEvent;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<RunEventLine> Decode(Wire::Reader wire);

  std::string run_id;
  std::string json;
  bool terminal = false;
};

struct StopAccepted {
  using Wire = schema::StopAccepted;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<StopAccepted> Decode(Wire::Reader wire);

  std::string run_id;
};

struct StopRun {
  using Wire = schema::StopRun;
  using Reply = StopAccepted;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<StopRun> Decode(Wire::Reader wire);

  std::string run_id;  // Empty: the run that is on.
};

struct RunsReply {
  using Wire = schema::RunsReply;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<RunsReply> Decode(Wire::Reader wire);

  std::string json;
};

struct RunsRequest {
  using Wire = schema::RunsRequest;
  using Reply = RunsReply;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<RunsRequest> Decode(Wire::Reader wire);

  std::string run_id;  // Empty: all.
};

struct FilePart {
  using Wire = schema::FilePart;
  static constexpr runtime::Traffic kTraffic = runtime::Traffic::kCheckpoint;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<FilePart> Decode(Wire::Reader wire);

  std::uint64_t size = 0;
  std::vector<std::uint8_t> data;  // At most kMaxModelPartBytes.
};

struct FetchPart {
  using Wire = schema::FetchPart;
  using Reply = FilePart;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<FetchPart> Decode(Wire::Reader wire);

  std::string run_id;
  RunFile file = RunFile::kConfig;
  std::uint64_t offset = 0;
};

struct LeavingNodes {
  using Wire = schema::LeavingNodes;
  struct Leaver {
    runtime::NodeId node;
    std::string name;
  };
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<LeavingNodes> Decode(Wire::Reader wire);

  std::vector<Leaver> nodes;  // At least one.
};

struct LeaveNode {
  using Wire = schema::LeaveNode;
  using Reply = LeavingNodes;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<LeaveNode> Decode(Wire::Reader wire);

  std::string node;  // A worker's name or id, or a machine's name.
};

struct StatusReply {
  using Wire = schema::StatusReply;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<StatusReply> Decode(Wire::Reader wire);

  std::string json;
};

struct StatusRequest {
  using Wire = schema::StatusRequest;
  using Reply = StatusReply;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<StatusRequest> Decode(Wire::Reader wire);
};

struct DownRequest {
  using Wire = schema::DownRequest;
  using Reply = Nothing;
  bool keep_run = false;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<DownRequest> Decode(Wire::Reader wire);
};

struct ProcessExited {
  using Wire = schema::ProcessExited;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<ProcessExited> Decode(Wire::Reader wire);

  std::uint32_t pid = 0;
  std::string host_key;
  std::string description;
  std::string last_lines;
  bool comes_back = false;
};

using HeadProtocol = runtime::Protocol<SubmitRun, StopRun, StatusRequest, RunsRequest, FetchPart,
                                       LeaveNode, DownRequest, ProcessExited>;
using FollowerProtocol = runtime::Protocol<RunEventLine>;

inline constexpr char kHeadName[] = "head";

}  // namespace actors

#endif  // RONDO_ACTORS_CLIENT_MESSAGES_H_
