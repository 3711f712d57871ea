#include "actors/client_messages.h"

#include <string>
#include <utility>

namespace actors {
namespace {

std::string Text(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

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

void StatusReply::Encode(Wire::Builder wire) const { wire.setJson(json); }

absl::StatusOr<StatusReply> StatusReply::Decode(Wire::Reader wire) {
  return StatusReply{.json = Text(wire.getJson())};
}

void StatusRequest::Encode(Wire::Builder) const {}
absl::StatusOr<StatusRequest> StatusRequest::Decode(Wire::Reader) { return StatusRequest{}; }

void DownRequest::Encode(Wire::Builder) const {}
absl::StatusOr<DownRequest> DownRequest::Decode(Wire::Reader) { return DownRequest{}; }

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
