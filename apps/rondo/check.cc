// `rondo check`: one line per thing that a run needs.
#include <absl/strings/str_cat.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/run_config.h"
#include "apps/rondo/ask_worker.h"
#include "apps/rondo/client.h"
#include "apps/rondo/format.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/run_plan.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"
#include "runtime/net/frame.h"

namespace apps {
namespace {

using runtime::Exit;
using runtime::MakeError;

constexpr runtime::Duration kWorkerTimeout = std::chrono::seconds(30);  // It loads torch.
// Sockets, pipes and files of a head with as many workers as a ring takes, and some to spare.
constexpr rlim_t kDescriptors = 512;

struct Item {
  std::string name;
  absl::Status status;
  std::string text;      // What was found, if all is well.
  bool skipped = false;  // `text` says why.
};

Item Made(const std::string& name, const absl::StatusOr<std::string>& found) {
  return {.name = name, .status = found.status(), .text = found.ok() ? *found : ""};
}

Item Skipped(const std::string& name, const std::string& why) {
  return {.name = name, .text = why, .skipped = true};
}

absl::StatusOr<std::string> CheckData(const actors::RunConfig& config) {
  ASSIGN_OR_RETURN(const RunPlan plan, PlanRun(config));
  return absl::StrCat(actors::ToString(config.data.source), ": ",
                      FormatCount(plan.training.train_samples), " training and ",
                      FormatCount(plan.training.test_samples), " test samples for ",
                      config.run.workers, " workers");
}

absl::StatusOr<std::string> CheckOutputFolder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path existing = fs::absolute(folder, error);
  while (!fs::exists(existing, error) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  if (!fs::is_directory(existing, error) || access(existing.c_str(), W_OK | X_OK) != 0) {
    return MakeError("OUTPUT_FAILED", Exit::kRunFailed,
                     absl::StrCat("cannot make folders in ", existing.string(),
                                  ", for run.out = \"", folder, "\""),
                     "choose another folder with --out");
  }
  return absl::StrCat("runs go to ", folder);
}

// Starts a worker process that tells of itself and ends.
absl::StatusOr<std::string> CheckWorkerProgram() {
  ASSIGN_OR_RETURN(const WorkerWord word, HearWorker({"--check"}, /*threads=*/1, kWorkerTimeout));
  if (word.exit.has_value() && word.exit->IsSuccess()) return word.last_line;
  return MakeError("WORKER_UNUSABLE", Exit::kIncompatible,
                   absl::StrCat(word.program, " does not start: ",
                                word.exit.has_value() ? word.exit->ToString() : "it does not end",
                                "; ", word.last_line),
                   "take rondo and rondo-worker from one build");
}

// What CheckWorkerProgram found, as two items. A slow BLAS is no error: the run only takes longer.
void AddWorker(std::vector<Item>& items) {
  const absl::StatusOr<std::string> said = CheckWorkerProgram();
  if (!said.ok()) {
    items.push_back(Made("worker", said));
    items.push_back(Skipped("blas", "rondo-worker knows, and it does not start"));
    return;
  }
  const nlohmann::json json = nlohmann::json::parse(*said, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.value("protocol", nlohmann::json()).is_number()) {
    items.push_back(Made("worker", MakeError("WORKER_UNUSABLE", Exit::kIncompatible,
                                             "the rondo-worker beside rondo is another version's",
                                             "take rondo and rondo-worker from one build")));
    return;
  }
  const std::uint64_t schema = json.value("schema", std::uint64_t{0});
  items.push_back(Made(
      "worker", schema == runtime::SchemaFingerprint()
                    ? absl::StatusOr<std::string>("rondo-worker starts and speaks our protocol")
                    : MakeError("INCOMPATIBLE", Exit::kIncompatible,
                                "the rondo-worker beside rondo speaks another protocol",
                                "take rondo and rondo-worker from one build")));
  const std::string warning = json.value("blas_warning", std::string());
  items.push_back(Made("blas", warning.empty() ? "a fast one" : "slow: " + warning));
}

absl::StatusOr<std::string> CheckDescriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= kDescriptors) {
    return absl::StrCat(limit.rlim_cur == RLIM_INFINITY ? "unlimited" : FormatCount(limit.rlim_cur),
                        " open files allowed");
  }
  return MakeError("TOO_FEW_DESCRIPTORS", Exit::kUsage,
                   absl::StrCat("only ", limit.rlim_cur,
                                " open files are allowed, and a head may need ", kDescriptors),
                   absl::StrCat("ulimit -n ", kDescriptors));
}

absl::StatusOr<std::string> CheckHead(const std::string& head) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo check"}));
  return absl::StrCat(head, " answers, and its version and schema are ours");
}

std::vector<Item> CheckAll(const CheckOptions& options) {
  std::vector<Item> items;
  if (options.config_path.empty()) {
    items.push_back(Skipped("config", "none was given: rondo check CONFIG"));
  } else {
    const absl::StatusOr<actors::ResolvedConfig> resolved =
        ResolveConfig(options.config_path, /*overrides=*/{});
    items.push_back(Made("config", resolved.ok() ? absl::StatusOr<std::string>(options.config_path)
                                                 : resolved.status()));
    if (resolved.ok()) {
      const bool own = resolved->config.data.placement == actors::DataPlacement::kOwn;
      items.push_back(own ? Skipped("data", "each node's own; rondo join --data DIR names it")
                          : Made("data", CheckData(resolved->config)));
      items.push_back(Made("output", CheckOutputFolder(resolved->config.run.out)));
    }
  }
  AddWorker(items);
  items.push_back(Made("files", CheckDescriptors()));
  const absl::StatusOr<std::string> head = ChooseHead(options.head);
  items.push_back(head.ok() ? Made("head", CheckHead(*head))
                            : Skipped("head", "none runs here; rondo run starts its own"));
  return items;
}

std::string Render(const std::vector<Item>& items) {
  std::string text;
  for (const Item& item : items) {
    const std::string mark = item.skipped ? "skipped" : item.status.ok() ? "ok     " : "failed ";
    const std::string name = item.name + std::string(8 - item.name.size(), ' ');
    if (item.status.ok()) {
      absl::StrAppend(&text, mark, "  ", name, item.text, "\n");
      continue;
    }
    const runtime::UserError error = runtime::ToUserError(item.status);
    absl::StrAppend(&text, mark, "  ", name, error.message, "\n");
    if (!error.hint.empty())
      absl::StrAppend(&text, std::string(17, ' '), "hint: ", error.hint, "\n");
  }
  return text;
}

std::string ToJson(const std::vector<Item>& items) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Item& item : items) {
    nlohmann::ordered_json json{{"name", item.name},
                                {"state", item.skipped       ? "skipped"
                                          : item.status.ok() ? "ok"
                                                             : "failed"}};
    if (item.status.ok()) {
      json["message"] = item.text;
    } else {
      const runtime::UserError error = runtime::ToUserError(item.status);
      json["code"] = error.code;
      json["message"] = error.message;
      json["hint"] = error.hint;
    }
    list.push_back(json);
  }
  return nlohmann::ordered_json{{"items", list}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<int> Check(const CheckOptions& options, Output& output) {
  const std::vector<Item> items = CheckAll(options);
  output.Text(Render(items));
  for (const Item& item : items) {
    if (item.status.ok()) continue;
    // People have read it in its line.
    if (output.format() != OutputFormat::kHuman) {
      return output.Fail("check", item.status, ToJson(items));
    }
    return static_cast<int>(runtime::ToUserError(item.status).exit);
  }
  output.Data("check", ToJson(items));
  return 0;
}

}  // namespace apps
