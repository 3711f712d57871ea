// What workers say that they have built, held side by side. Pure.
#ifndef RONDO_ACTORS_AGREEMENT_H_
#define RONDO_ACTORS_AGREEMENT_H_

#include <absl/status/status.h>

#include <string>

#include "actors/messages.h"
#include "actors/run_config.h"

namespace actors {

struct AgreementRules {
  DataPlacement placement = DataPlacement::kShared;
  bool initial_models = true;  // Before the first round. Later the base is fetched.
  std::string model_file;      // The TorchScript file that is trained, if it is one.
};

// Whether a worker can take part beside others who have built `others`. `who` names both sides:
// "slot 2 (node 1a2b3c4d) and slot 0". Errors that a user sees: LAYOUT_DIFFERS,
// MODEL_FILE_DIFFERS and INITIAL_MODEL_DIFFERS, exit 7; DATA_DIFFERS (the common set) and
// DATA_SHAPE_DIFFERS (each node's own), exit 8.
absl::Status CheckAgrees(const std::string& who, const ReadyToRun& ready, const ReadyToRun& others,
                         const AgreementRules& rules);

// What a worker with own data brings, for people: "300 samples of its own to train on (by class:
// 30 30 ...), 40 to test with".
std::string DescribeOwnData(const ReadyToRun& ready);

}  // namespace actors

#endif  // RONDO_ACTORS_AGREEMENT_H_
