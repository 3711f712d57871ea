#include "actors/run_event.h"

#include <utility>

#include "actors/run_json.h"
#include "actors/run_json_visit.h"
#include "runtime/base/status.h"

namespace runtime {

template <typename Visitor>
void Visit(Visitor& visit, UserError& error) {
  std::uint32_t exit = static_cast<std::uint32_t>(error.exit);
  visit("code", error.code);
  visit("exit", exit);
  visit("message", error.message);
  visit("hint", error.hint);
  error.exit = static_cast<Exit>(exit);
}

}  // namespace runtime

namespace actors {

template <typename Visitor>
void Visit(Visitor& visit, FlightMember& member) {
  visit("slot", member.slot);
  visit("said", member.said);
  visit("silent_seconds", member.silent_seconds);
  visit("step", member.step);
  visit("to", member.to);
  visit("sent_bytes", member.sent_bytes);
}

template <typename Visitor>
void Visit(Visitor& visit, FlightWord& word) {
  visit("seconds_before", word.seconds_before);
  visit("from", word.from);
  visit("what", word.what);
  visit("fence", word.fence);
}

template <typename Visitor>
void Visit(Visitor& visit, DriftOfWorker& drift) {
  visit("slot", drift.slot);
  visit("norm", drift.norm);
  visit("cosine", drift.cosine);
  visit("cosine_to_others", drift.cosine_to_others);
  visit("z", drift.z);
  visit("outlier", drift.outlier);
}

namespace {

// The word for each kind of event, in the order of RunEvent::what.
constexpr const char* kEventNames[] = {"step",  "sync",  "evaluation", "join", "leave",
                                       "death", "abort", "rollback",   "note", "end"};
static_assert(std::size(kEventNames) == std::variant_size_v<decltype(RunEvent::what)>);

template <typename Visitor>
void Visit(Visitor& visit, StepEvent& event) {
  visit("step", event.step);
  visit("train_loss", event.train_loss);
  visit("variance_estimate", event.variance_estimate);
  visit("theta", event.theta);
  visit("workers", event.workers);
  visit("syncs", event.syncs);
  visit("bytes_total", event.bytes_total);
}

template <typename Visitor>
void Visit(Visitor& visit, SyncEvent& event) {
  visit("step", event.step);
  visit("syncs", event.syncs);
  visit("interval", event.interval);
  visit("variance_estimate", event.variance_estimate);
  visit("theta", event.theta);
  visit("contributors", event.contributors);
  visit("seconds", event.seconds);
  visit("ring_seconds", event.ring_seconds);
  visit("ring_bytes", event.ring_bytes);
  visit("bytes_total", event.bytes_total);
  visit("drifts", event.drifts);
  visit("variance_added", event.variance_added);
  visit("prequential_error", event.prequential_error);
}

template <typename Visitor>
void Visit(Visitor& visit, EvaluationEvent& event) {
  visit("step", event.step);
  visit("accuracy", event.accuracy);
  visit("test_loss", event.test_loss);
  visit("samples", event.samples);
  visit("evaluated", event.evaluated);
}

template <typename Visitor, typename Event>
void VisitMembership(Visitor& visit, Event& event) {
  visit("step", event.step);
  visit("slot", event.slot);
  visit("node", event.node);
  visit("workers", event.workers);
}

template <typename Visitor>
void Visit(Visitor& visit, JoinEvent& event) {
  VisitMembership(visit, event);
}

template <typename Visitor>
void Visit(Visitor& visit, LeaveEvent& event) {
  VisitMembership(visit, event);
}

template <typename Visitor>
void Visit(Visitor& visit, DeathEvent& event) {
  VisitMembership(visit, event);
  visit("reason", event.reason);
}

template <typename Visitor>
void Visit(Visitor& visit, AbortEvent& event) {
  visit("step", event.step);
  visit("fence", event.fence);
  visit("reason", event.reason);
  visit("members", event.record.members);
  visit("words", event.record.words);
}

template <typename Visitor>
void Visit(Visitor& visit, RollbackEvent& event) {
  visit("step", event.step);
  visit("from", event.from);
  visit("to", event.to);
}

template <typename Visitor>
void Visit(Visitor& visit, NoteEvent& event) {
  visit("step", event.step);
  visit("message", event.message);
}

template <typename Visitor>
void Visit(Visitor& visit, EndEvent& event) {
  visit("result", event.result);
  visit("error", event.error);
  visit.Derived("terminal", true);
}

// Reads the event whose word is `name` into `event`: one try per kind.
template <std::size_t kIndex = 0>
bool ReadKind(const std::string& name, JsonReader& reader, RunEvent& event) {
  if constexpr (kIndex == std::size(kEventNames)) {
    return false;
  } else {
    if (name != kEventNames[kIndex]) return ReadKind<kIndex + 1>(name, reader, event);
    Visit(reader, event.what.template emplace<kIndex>());
    return true;
  }
}

}  // namespace

std::string ToJson(const RunEvent& event) {
  JsonWriter writer;
  writer("t", event.time);
  writer("event", std::string(kEventNames[event.what.index()]));
  std::visit(
      [&writer](const auto& what) {
        auto members = what;
        Visit(writer, members);
      },
      event.what);
  return Line(writer.Take());
}

absl::StatusOr<RunEvent> RunEventFromJson(const std::string& text) {
  const Json json = ParseObject(text);
  if (json.is_null()) return absl::InvalidArgumentError("a run event is a JSON object");
  RunEvent event;
  std::string name;
  JsonReader reader(json);
  reader("t", event.time);
  reader("event", name);
  if (!ReadKind(name, reader, event)) {
    return absl::InvalidArgumentError("no event is called \"" + name + "\"");
  }
  RETURN_IF_ERROR(reader.status());
  return event;
}

}  // namespace actors
