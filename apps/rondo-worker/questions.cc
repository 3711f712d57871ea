#include "apps/rondo-worker/questions.h"

#include <chrono>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "actors/run_config.h"
#include "actors/run_options.h"
#include "actors/training/make_trainer.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using nlohmann::json;

int Print(const absl::StatusOr<json>& answer) {
  json line;
  int exit = 0;
  if (answer.ok()) {
    line = *answer;
  } else {
    const runtime::UserError error = runtime::ToUserError(answer.status());
    exit = static_cast<int>(error.exit);
    line = {{"code", error.code}, {"exit", exit}, {"message", error.message}, {"hint", error.hint}};
  }
  line["ok"] = answer.ok();
  std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  return exit;
}

absl::StatusOr<actors::TrainingOptions> OptionsOf(const std::string& config,
                                                  std::uint32_t threads) {
  ASSIGN_OR_RETURN(const actors::RunConfig parsed, actors::ParseRunConfig(config, "config"));
  actors::TrainingOptions options = actors::TrainingOptionsOf(parsed);
  options.threads = threads;
  return options;
}

absl::StatusOr<json> Describe(const std::string& config, std::uint32_t threads) {
  ASSIGN_OR_RETURN(const actors::TrainingOptions options, OptionsOf(config, threads));
  ASSIGN_OR_RETURN(const actors::Layout layout, actors::LayoutOfModelFile(options));
  return json{{"parameters", layout.trainable}, {"total", layout.total}};
}

absl::StatusOr<json> Evaluate(const std::string& config, std::uint32_t threads) {
  ASSIGN_OR_RETURN(const actors::TrainingOptions options, OptionsOf(config, threads));
  const auto begin = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const actors::EvaluationCounts counts, actors::EvaluateModelFile(options));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const auto samples = static_cast<double>(counts.samples);
  json answer{{"samples", counts.samples}, {"seconds", seconds.count()}};
  answer["accuracy"] = static_cast<double>(counts.correct) / samples;
  // A diverged model may give none: JSON has no such number.
  const double loss = counts.loss_sum / samples;
  answer["loss"] = std::isfinite(loss) ? json(loss) : json(nullptr);
  return answer;
}

}  // namespace

int DescribeModel(const std::string& config, std::uint32_t threads) {
  return Print(Describe(config, threads));
}

int EvaluateModel(const std::string& config, std::uint32_t threads) {
  return Print(Evaluate(config, threads));
}

}  // namespace apps
