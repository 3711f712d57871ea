// When a node is offered to a run: the head connects back first, to know whether others can reach
// what it listens on (protocol.md 8), and makes a name wait that flaps.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <utility>

#include "actors/head.h"
#include "actors/run_options.h"
#include "runtime/base/status.h"

namespace actors {

void Head::StartWorkerOn(NodeBook& node) {
  context_->SpawnOn(node.info.id, kWorkerKind, kWorkerName,
                    [this, id = node.info.id](const absl::StatusOr<runtime::ActorAddress>& worker) {
                      const auto book = nodes_.find(id);
                      if (!worker.ok() || book == nodes_.end()) return;  // Gone meanwhile.
                      book->second.worker_ready = true;
                      if (book->second.leaving) return SendDrain(id);
                      OfferCandidate(book->second);
                    });
}

void Head::NoteGone(const NodeBook& node) {
  if (node.info.role != kWorkerRole) return;
  if (node.leaving) {
    flapping_.OnLeft(node.info.name);
  } else {
    flapping_.OnLost(node.info.name, context_->Now() - node.since, context_->Now());
  }
}

void Head::HoldBack(NodeBook& node) {
  const runtime::Duration hold = flapping_.HoldOf(node.info.name, context_->Now());
  if (hold <= runtime::Duration{}) return;
  node.held = true;
  context_->After(hold, [this, id = node.info.id] {
    const auto book = nodes_.find(id);
    if (book == nodes_.end()) return;  // Gone meanwhile, once more.
    book->second.held = false;
    OfferCandidate(book->second);
  });
  if (!IsOn()) return;
  OnNote(run_->number,
         absl::StrFormat("%s was lost %d times in a row soon after it came; it is taken in %.1f s",
                         node.info.name, flapping_.LossesOf(node.info.name),
                         runtime::ToSeconds(hold)));
}

// A run does not begin with a worker before it is known who can connect to it: its place in the
// ring and in the lists of donors depends on it.
void Head::OfferCandidate(const NodeBook& node) {
  if (!node.IsCandidate()) return;
  if (monitor_ != nullptr) monitor_->AddCandidate(CandidateOf(node));
  TryStart();
}

Candidate Head::CandidateOf(const NodeBook& node) const {
  return {.node = node.info.id, .slot = node.slot_wish, .reach = *node.reach};
}

// All who wait are tried at once, so that many who do not answer take no longer than one.
void Head::ConnectBack() {
  if (connecting_back_) return;
  std::vector<runtime::NodeId> ids;
  std::vector<std::string> addresses;  // Two for each.
  for (auto& [id, node] : nodes_) {
    if (node.reach.has_value()) continue;
    ids.push_back(id);
    addresses.insert(addresses.end(), {node.ring, node.transfer});
  }
  if (ids.empty()) return;
  connecting_back_ = true;
  options_.connector->Run([this, ids = std::move(ids), addresses = std::move(addresses),
                           connect = options_.connect, poster = context_->poster()]() mutable {
    std::vector<absl::Status> results = connect(addresses);
    poster.Post([this, ids = std::move(ids), results = std::move(results)] {
      OnConnectedBack(ids, results);
    });
  });
}

void Head::OnConnectedBack(const std::vector<runtime::NodeId>& ids,
                           const std::vector<absl::Status>& results) {
  connecting_back_ = false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found = nodes_.find(ids[i]);
    if (found == nodes_.end()) continue;  // Gone meanwhile.
    NodeBook& node = found->second;
    const absl::Status& ring = results[2 * i];
    const absl::Status& transfer = results[2 * i + 1];
    node.reach = Reach{.ring = ring.ok(), .transfer = transfer.ok()};
    if (!ring.ok()) node.unreachable = absl::StrCat("ring: ", runtime::MessageOf(ring));
    if (!transfer.ok()) {
      absl::StrAppend(&node.unreachable, node.unreachable.empty() ? "" : "; ",
                      "transfer: ", runtime::MessageOf(transfer));
    }
    if (!node.leaving) OfferCandidate(node);
  }
  ConnectBack();  // Whoever came meanwhile.
}

}  // namespace actors
