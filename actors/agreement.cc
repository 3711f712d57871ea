#include "actors/agreement.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "runtime/base/error.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

std::string ShapeOf(const ReadyToRun& ready) {
  return absl::StrCat(absl::StrJoin(ready.sample_shape, " x "), " in ",
                      ready.samples_by_class.size(), " classes");
}

bool SameShape(const ReadyToRun& ready, const ReadyToRun& others) {
  return ready.sample_shape == others.sample_shape &&
         ready.samples_by_class.size() == others.samples_by_class.size();
}

}  // namespace

absl::Status CheckAgrees(const std::string& who, const ReadyToRun& ready, const ReadyToRun& others,
                         const AgreementRules& rules) {
  // First: where data differ in shape, models differ only because of them.
  if (rules.placement == DataPlacement::kOwn && !SameShape(ready, others)) {
    return MakeError("DATA_SHAPE_DIFFERS", Exit::kUnreadable,
                     absl::StrCat(who, " have own data of different shapes: ", ShapeOf(ready),
                                  ", and ", ShapeOf(others)),
                     "give each node samples of one shape and one set of classes: rondo join "
                     "--data DIR");
  }
  if (ready.layout_hash != others.layout_hash || ready.total != others.total ||
      ready.committed != others.committed) {
    if (!rules.model_file.empty()) {
      return MakeError(
          "MODEL_FILE_DIFFERS", Exit::kIncompatible,
          absl::StrCat(who, " hold different files model.name = \"", rules.model_file, "\""),
          "give every machine the same file, byte for byte");
    }
    return MakeError("LAYOUT_DIFFERS", Exit::kIncompatible,
                     absl::StrCat(who, " built models of different layouts"),
                     "run the same build of rondo on every machine");
  }
  if (rules.initial_models && ready.base_root != others.base_root) {
    return MakeError("INITIAL_MODEL_DIFFERS", Exit::kIncompatible,
                     absl::StrCat(who, " drew different initial models from one seed"),
                     "run the same build of rondo on every machine");
  }
  if (rules.placement == DataPlacement::kShared &&
      ready.data_fingerprint != others.data_fingerprint) {
    return MakeError("DATA_DIFFERS", Exit::kUnreadable,
                     absl::StrCat(who, " hold different training data"),
                     "give every machine the same files, or check data.dir");
  }
  return absl::OkStatus();
}

std::string DescribeOwnData(const ReadyToRun& ready) {
  return absl::StrCat(ready.train_samples, " samples of its own to train on (by class: ",
                      absl::StrJoin(ready.samples_by_class, " "), "), ", ready.test_samples,
                      " to test with");
}

}  // namespace actors
