#include "actors/journal_record.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <utility>

#include "actors/run_json.h"

namespace actors {

// ------------------------------------------------------------------------------- their members --

template <typename Visitor>
void Visit(Visitor& visit, runtime::NodeId& node) {
  visit("high", node.high);
  visit("low", node.low);
}

template <typename Visitor>
void Visit(Visitor& visit, runtime::Fence& fence) {
  visit("run", fence.run);
  visit("epoch", fence.head_epoch);
  visit("view", fence.view);
  visit("round", fence.round);
  visit("attempt", fence.attempt);
}

template <typename Visitor>
void Visit(Visitor& visit, Seat& seat) {
  visit("node", seat.node);
  visit("slot", seat.slot);
}

template <typename Visitor>
void Visit(Visitor& visit, EpochRecord& record) {
  visit("epoch", record.epoch);
}

template <typename Visitor>
void Visit(Visitor& visit, AddressRecord& record) {
  visit("listen", record.listen);
}

template <typename Visitor>
void Visit(Visitor& visit, RunRecord& record) {
  visit("run", record.run);
  visit("id", record.id);
  visit("config", record.config);
  visit("folder", record.folder);
}

template <typename Visitor>
void Visit(Visitor& visit, ViewRecord& record) {
  visit("run", record.run);
  visit("view", record.view);
  visit("round", record.round);
  visit("root", record.root);
  visit("step", record.step);
  visit("seats", record.seats);
}

template <typename Visitor>
void Visit(Visitor& visit, CommitRecord& record) {
  visit("fence", record.fence);
  visit("root", record.root);
  visit("step", record.step);
  visit("contributors", record.contributors);
}

template <typename Visitor>
void Visit(Visitor& visit, CheckpointRecord& record) {
  visit("run", record.run);
  visit("round", record.round);
  visit("root", record.root);
  visit("step", record.step);
  visit("path", record.path);
}

template <typename Visitor>
void Visit(Visitor& visit, RollbackRecord& record) {
  visit("run", record.run);
  visit("from", record.from);
  visit("to", record.to);
  visit("root", record.root);
  visit("step", record.step);
}

template <typename Visitor>
void Visit(Visitor& visit, EndRecord& record) {
  visit("run", record.run);
  visit("status", record.status);
  visit("result", record.result);
}

namespace {

constexpr std::size_t kRunsKept = 100;
constexpr std::size_t kHashDigits = 16;
// The word for each kind, in the order of JournalRecord.
constexpr const char* kKinds[] = {"epoch",  "address",    "run",      "view",
                                  "commit", "checkpoint", "rollback", "end"};
static_assert(std::size(kKinds) == std::variant_size_v<JournalRecord>);

std::string HashOf(std::string_view text) {
  return absl::StrFormat("%016x", runtime::HashText(text));
}

// Reads the record whose kind is `name` into `record`: one try per kind.
template <std::size_t kIndex = 0>
bool ReadKind(const std::string& name, JsonReader& reader, JournalRecord& record) {
  if constexpr (kIndex == std::size(kKinds)) {
    return false;
  } else {
    if (name != kKinds[kIndex]) return ReadKind<kIndex + 1>(name, reader, record);
    Visit(reader, record.emplace<kIndex>());
    return true;
  }
}

absl::Status OutOfOrder(const char* what) {
  return absl::DataLossError(absl::StrCat("the record of ", what, " does not follow"));
}

}  // namespace

std::string ToLine(const JournalRecord& record) {
  JsonWriter writer;
  writer("record", std::string(kKinds[record.index()]));
  std::visit(
      [&writer](const auto& kind) {
        auto members = kind;
        Visit(writer, members);
      },
      record);
  const std::string text = Line(writer.Take());
  return absl::StrCat(HashOf(text), " ", text);
}

absl::StatusOr<JournalRecord> ParseLine(std::string_view line) {
  if (line.size() < kHashDigits + 2 || line[kHashDigits] != ' ') {
    return absl::DataLossError("no record of a journal");
  }
  const std::string text(line.substr(kHashDigits + 1));
  if (line.substr(0, kHashDigits) != HashOf(text)) {
    return absl::DataLossError("its checksum does not hold");
  }
  const Json json = ParseObject(text);
  if (json.is_null()) return absl::DataLossError("no JSON object");
  JsonReader reader(json);
  std::string kind;
  reader("record", kind);
  JournalRecord record;
  if (!ReadKind(kind, reader, record)) {
    return absl::DataLossError(absl::StrCat("no record is called \"", kind, "\""));
  }
  if (!reader.status().ok()) return absl::DataLossError(reader.status().message());
  return record;
}

void Append(const CommitRecord& commit, std::deque<CommitRecord>& commits) {
  commits.push_back(commit);
  if (commits.size() > kCommitsKept) commits.pop_front();
}

absl::Status JournalState::Apply(const JournalRecord& record) {
  if (const auto* epoch_record = std::get_if<EpochRecord>(&record)) {
    if (epoch_record->epoch <= epoch) return OutOfOrder("an epoch");
    epoch = epoch_record->epoch;
    return absl::OkStatus();
  }
  if (const auto* address = std::get_if<AddressRecord>(&record)) {
    listen = address->listen;
    return absl::OkStatus();
  }
  Run* const last = runs.empty() || runs.back().end.has_value() ? nullptr : &runs.back();
  if (const auto* run = std::get_if<RunRecord>(&record)) {
    if (last != nullptr) return OutOfOrder("a run");
    runs.push_back({.record = *run});
    if (runs.size() > kRunsKept) runs.erase(runs.begin());
    return absl::OkStatus();
  }
  if (const auto* end = std::get_if<EndRecord>(&record)) {
    if (last == nullptr || last->record.run != end->run) return OutOfOrder("an end");
    last->end = *end;
    last->position.reset();
    return absl::OkStatus();
  }
  if (const auto* view = std::get_if<ViewRecord>(&record)) {
    if (last == nullptr || last->record.run != view->run) return OutOfOrder("a view");
    if (!last->position.has_value()) last->position.emplace();
    RunPosition& position = *last->position;
    position.view = view->view;
    position.round = view->round;
    position.root = view->root;
    position.step = view->step;
    position.members.clear();
    for (const Seat& seat : view->seats) position.members[seat.node] = seat.slot;
    return absl::OkStatus();
  }
  if (const auto* checkpoint = std::get_if<CheckpointRecord>(&record)) {
    if (last == nullptr || last->record.run != checkpoint->run || !last->position.has_value()) {
      return OutOfOrder("a checkpoint");
    }
    last->position->checkpoint = *checkpoint;
    return absl::OkStatus();
  }
  if (const auto* rollback = std::get_if<RollbackRecord>(&record)) {
    if (last == nullptr || last->record.run != rollback->run || !last->position.has_value()) {
      return OutOfOrder("a rollback");
    }
    RunPosition& position = *last->position;
    position.round = rollback->to;
    position.root = rollback->root;
    position.step = rollback->step;
    position.members.clear();
    position.commits.clear();
    return absl::OkStatus();
  }
  const CommitRecord& commit = std::get<CommitRecord>(record);
  if (last == nullptr || last->record.run != commit.fence.run || !last->position.has_value()) {
    return OutOfOrder("a commit");
  }
  RunPosition& position = *last->position;
  position.round = Next(commit.fence.round);
  position.root = commit.root;
  position.step = commit.step;
  actors::Append(commit, position.commits);
  return absl::OkStatus();
}

}  // namespace actors
