// `rondo evaluate`: what a saved model makes of a test set.
#include <absl/strings/str_cat.h>

#include <filesystem>

#include "actors/run_config.h"
#include "actors/run_folder.h"
#include "actors/training/model_file.h"
#include "apps/rondo/ask_worker.h"
#include "apps/rondo/format.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

namespace fs = std::filesystem;
using runtime::Exit;
using runtime::MakeError;

absl::Status NotFound(const std::string& message, const std::string& hint) {
  return MakeError("MODEL_NOT_FOUND", Exit::kNotFound, message, hint);
}

// What the run in `folder` was told, without its model.
absl::StatusOr<actors::RunConfig> ConfigOfRun(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", FileName(actors::RunFile::kConfig));
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return NotFound(absl::StrCat(folder, " is no run's folder: it holds no ",
                                 FileName(actors::RunFile::kConfig)),
                    "name a run's folder or a file NAME.pt");
  }
  ASSIGN_OR_RETURN(const std::string text, actors::ReadConfigFile(path));
  ASSIGN_OR_RETURN(actors::RunConfig config, actors::ParseRunConfig(text, path));
  if (config.model.name == actors::ModelName::kQuadratic) {
    return MakeError("MODEL_UNREADABLE", Exit::kUnreadable,
                     absl::StrCat("the model of ", folder, " is quadratic, which no data test"),
                     "");
  }
  config.model = {};
  config.data.placement = actors::DataPlacement::kShared;
  return config;
}

// What the worker is asked: the model on the data.
absl::StatusOr<actors::RunConfig> Question(const EvaluateOptions& options) {
  std::error_code ignored;
  if (!fs::exists(options.model, ignored)) {
    return NotFound(absl::StrCat("there is no ", options.model),
                    "name a run's folder or a file NAME.pt");
  }
  actors::RunConfig base;
  std::string file = options.model;
  if (fs::is_directory(options.model, ignored)) {
    ASSIGN_OR_RETURN(base, ConfigOfRun(options.model));
    file = absl::StrCat(options.model, "/", FileName(actors::RunFile::kModel));
    if (!fs::exists(file, ignored)) {
      return NotFound(absl::StrCat("the run in ", options.model, " has left no model.pt"), "");
    }
  } else if (options.source.empty()) {
    return MakeError("USAGE_MISSING_ARGUMENT", Exit::kUsage,
                     absl::StrCat("rondo evaluate ", options.model,
                                  " needs --data: a file does not say what it was trained on"),
                     "add --data SOURCE, as data.source of a config");
  }
  if (!actors::IsModelFile(file)) {
    return MakeError(
        "USAGE_INVALID_VALUE", Exit::kUsage,
        absl::StrCat("MODEL must be a run's folder or a file NAME.pt, not \"", options.model, "\""),
        "");
  }
  actors::ConfigSources sources;
  sources.overrides.push_back({"model.name", file, "MODEL"});
  if (!options.source.empty()) {
    base.data = {};
    sources.overrides.push_back({"data.source", options.source, "--data"});
  }
  if (!options.dir.empty()) sources.overrides.push_back({"data.dir", options.dir, "--dir"});
  sources.text = actors::ToToml(base);
  sources.name = "config";
  ASSIGN_OR_RETURN(const actors::ResolvedConfig resolved, actors::ResolveRunConfig(sources));
  return resolved.config;
}

}  // namespace

absl::StatusOr<int> Evaluate(const EvaluateOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const actors::RunConfig config, Question(options));
  ASSIGN_OR_RETURN(const nlohmann::json answer, AskWorker("--evaluate", config));
  const std::string source = actors::ToString(config.data.source);
  nlohmann::ordered_json data{{"model", config.model.file}, {"data", source}};
  for (const char* key : {"accuracy", "loss", "samples", "seconds"}) {
    data[key] = answer.value(key, nlohmann::json());
  }
  output.Data("evaluate", data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const nlohmann::json loss = answer.value("loss", nlohmann::json());
  output.Text(absl::StrCat(
      "accuracy ", FormatNumber(100 * answer.value("accuracy", 0.0)), " %, loss ",
      loss.is_number() ? FormatNumber(loss.get<double>()) : "not finite", ", ",
      FormatCount(answer.value("samples", std::uint64_t{0})), " test samples of ", source));
  return 0;
}

}  // namespace apps
