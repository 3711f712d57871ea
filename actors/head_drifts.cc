// What the head tells of the members' drifts: in the metrics, in `rondo status`, and aloud of a
// worker whose drift is unlike the others'.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cmath>

#include "actors/head.h"

namespace actors {

std::vector<DriftOfWorker> Head::TakeDrifts(const Synchronized& event) {
  std::vector<DriftOfWorker> drifts;
  for (const MemberDrift& drift : event.drifts) {
    const auto member = run_->members.find(drift.node);
    if (member == run_->members.end()) continue;  // Lost since.
    drifts.push_back({.slot = member->second.slot,
                      .norm = drift.norm,
                      .cosine = drift.cosine,
                      .cosine_to_others = drift.cosine_to_others,
                      .z = drift.z(),
                      .outlier = drift.outlier});
    member->second.drift = drifts.back();
  }
  return drifts;
}

void Head::NoteOutliers(const Synchronized& event) {
  for (const MemberDrift& drift : event.drifts) {
    const auto member = run_->members.find(drift.node);
    if (!drift.changed || member == run_->members.end()) continue;
    const bool refuses = run_->config.strategy.outliers == Outliers::kRefuse;
    std::string what =
        refuses ? "like the others' again, and averaged in" : "like the others' again";
    if (drift.outlier) {
      what = absl::StrCat(
          absl::StrFormat("unlike the others': cosine %.2f to the mean of theirs, z %.1f; ",
                          drift.cosine_to_others.value_or(std::nan("")),
                          drift.z().value_or(std::nan(""))),
          refuses ? "it is left out of the mean while that is so"
                  : "it is averaged in all the same (strategy.outliers = \"warn\")",
          "; look at its data, above all at the labels");
    }
    OnNote(run_->number, absl::StrCat("slot ", member->second.slot, " (", member->second.name,
                                      "): its drift is ", what));
  }
}

}  // namespace actors
