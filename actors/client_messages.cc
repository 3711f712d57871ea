#include "actors/client_messages.h"

#include <string>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

constexpr unsigned kMaxLeavers = 1024;

std::string Text(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

schema::RunFile Write(RunFile file) {
  switch (file) {
    case RunFile::kConfig: return schema::RunFile::CONFIG;
    case RunFile::kMetrics: return schema::RunFile::METRICS;
    case RunFile::kModel: return schema::RunFile::MODEL;
  }
  REQUIRE(false);
}

absl::StatusOr<RunFile> Read(schema::RunFile wire) {
  switch (wire) {
    case schema::RunFile::CONFIG: return RunFile::kConfig;
    case schema::RunFile::METRICS: return RunFile::kMetrics;
    case schema::RunFile::MODEL: return RunFile::kModel;
  }
  return absl::InvalidArgumentError("no file that is known here");
}

}  // namespace

void RunAccepted::Encode(Wire::Builder wire) const {
  wire.setRunId(run_id);
  wire.setFolder(folder);
}

absl::StatusOr<RunAccepted> RunAccepted::Decode(Wire::Reader wire) {
  return RunAccepted{.run_id = Text(wire.getRunId()), .folder = Text(wire.getFolder())};
}

void SubmitRun::Encode(Wire::Builder wire) const {
  wire.setConfig(config);
  wire.setFollower(Number(follower));
}

absl::StatusOr<SubmitRun> SubmitRun::Decode(Wire::Reader wire) {
  return SubmitRun{.config = Text(wire.getConfig()),
                   .follower = runtime::ActorId{wire.getFollower()}};
}

void RunEventLine::Encode(Wire::Builder wire) const {
  wire.setRunId(run_id);
  wire.setJson(json);
  wire.setTerminal(terminal);
}

absl::StatusOr<RunEventLine> RunEventLine::Decode(Wire::Reader wire) {
  return RunEventLine{.run_id = Text(wire.getRunId()),
                      .json = Text(wire.getJson()),
                      .terminal = wire.getTerminal()};
}

void StopRun::Encode(Wire::Builder wire) const { wire.setRunId(run_id); }

absl::StatusOr<StopRun> StopRun::Decode(Wire::Reader wire) {
  return StopRun{.run_id = Text(wire.getRunId())};
}

void StopAccepted::Encode(Wire::Builder wire) const { wire.setRunId(run_id); }

absl::StatusOr<StopAccepted> StopAccepted::Decode(Wire::Reader wire) {
  return StopAccepted{.run_id = Text(wire.getRunId())};
}

void RunsRequest::Encode(Wire::Builder wire) const { wire.setRunId(run_id); }

absl::StatusOr<RunsRequest> RunsRequest::Decode(Wire::Reader wire) {
  return RunsRequest{.run_id = Text(wire.getRunId())};
}

void RunsReply::Encode(Wire::Builder wire) const { wire.setJson(json); }

absl::StatusOr<RunsReply> RunsReply::Decode(Wire::Reader wire) {
  return RunsReply{.json = Text(wire.getJson())};
}

void FetchPart::Encode(Wire::Builder wire) const {
  wire.setRunId(run_id);
  wire.setFile(Write(file));
  wire.setOffset(offset);
}

absl::StatusOr<FetchPart> FetchPart::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(const RunFile file, Read(wire.getFile()));
  return FetchPart{.run_id = Text(wire.getRunId()), .file = file, .offset = wire.getOffset()};
}

void FilePart::Encode(Wire::Builder wire) const {
  wire.setSize(size);
  wire.setData(kj::arrayPtr(data.data(), data.size()));
}

absl::StatusOr<FilePart> FilePart::Decode(Wire::Reader wire) {
  const capnp::Data::Reader data = wire.getData();
  if (data.size() > kMaxModelPartBytes || data.size() > wire.getSize()) {
    return absl::InvalidArgumentError("a part of a file is too long");
  }
  return FilePart{.size = wire.getSize(),
                  .data = std::vector<std::uint8_t>(data.begin(), data.end())};
}

void LeaveNode::Encode(Wire::Builder wire) const { wire.setNode(node); }

absl::StatusOr<LeaveNode> LeaveNode::Decode(Wire::Reader wire) {
  return LeaveNode{.node = Text(wire.getNode())};
}

void LeavingNodes::Encode(Wire::Builder wire) const {
  auto list = wire.initNodes(static_cast<unsigned>(nodes.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].getNode().setHigh(nodes[i].node.high);
    list[i].getNode().setLow(nodes[i].node.low);
    list[i].setName(nodes[i].name);
  }
}

absl::StatusOr<LeavingNodes> LeavingNodes::Decode(Wire::Reader wire) {
  const auto list = wire.getNodes();
  if (list.size() == 0 || list.size() > kMaxLeavers) {
    return absl::InvalidArgumentError("nobody leaves, or too many");
  }
  LeavingNodes leaving;
  for (const auto& leaver : list) {
    leaving.nodes.push_back(
        {.node = {.high = leaver.getNode().getHigh(), .low = leaver.getNode().getLow()},
         .name = Text(leaver.getName())});
  }
  return leaving;
}

void StatusReply::Encode(Wire::Builder wire) const { wire.setJson(json); }

absl::StatusOr<StatusReply> StatusReply::Decode(Wire::Reader wire) {
  return StatusReply{.json = Text(wire.getJson())};
}

void StatusRequest::Encode(Wire::Builder) const {}
absl::StatusOr<StatusRequest> StatusRequest::Decode(Wire::Reader) { return StatusRequest{}; }

void DownRequest::Encode(Wire::Builder wire) const { wire.setKeepRun(keep_run); }
absl::StatusOr<DownRequest> DownRequest::Decode(Wire::Reader wire) {
  return DownRequest{.keep_run = wire.getKeepRun()};
}

void ProcessExited::Encode(Wire::Builder wire) const {
  wire.setPid(pid);
  wire.setHostKey(host_key);
  wire.setDescription(description);
  wire.setLastLines(last_lines);
  wire.setComesBack(comes_back);
}

absl::StatusOr<ProcessExited> ProcessExited::Decode(Wire::Reader wire) {
  return ProcessExited{.pid = wire.getPid(),
                       .host_key = Text(wire.getHostKey()),
                       .description = Text(wire.getDescription()),
                       .last_lines = Text(wire.getLastLines()),
                       .comes_back = wire.getComesBack()};
}

}  // namespace actors
