#include "apps/rondo/ask_worker.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "apps/rondo/child_process.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using nlohmann::json;
using runtime::Exit;

// A large model on a large test set, by one slow core.
constexpr runtime::Duration kAnswerTimeout = std::chrono::minutes(10);

absl::Status Unusable(const std::string& program, const std::string& why) {
  return runtime::MakeError("WORKER_UNUSABLE", Exit::kIncompatible,
                            absl::StrCat(program, " does not answer: ", why),
                            "take rondo and rondo-worker from one build");
}

}  // namespace

absl::StatusOr<WorkerWord> HearWorker(const std::vector<std::string>& arguments, unsigned threads,
                                      runtime::Duration timeout) {
  WorkerWord word;
  ASSIGN_OR_RETURN(word.program, FindBesideUs("rondo-worker"));
  const std::string log =
      (std::filesystem::temp_directory_path() / absl::StrCat("rondo-ask-", getpid())).string();
  ASSIGN_OR_RETURN(const std::unique_ptr<ChildProcess> worker,
                   ChildProcess::Start({.program = word.program,
                                        .arguments = arguments,
                                        .environment = ComputeThreads(threads),
                                        .log_path = log}));
  word.exit = worker->WaitUntil(std::chrono::steady_clock::now() + timeout);
  word.last_line = worker->LogTail(1);
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
  return word;
}

absl::StatusOr<json> AskWorker(const std::string& question, const actors::RunConfig& config) {
  ASSIGN_OR_RETURN(const WorkerWord word, HearWorker({question, actors::ToToml(config)},
                                                     config.run.threads, kAnswerTimeout));
  const auto& [program, exit, said] = word;
  if (!exit.has_value()) return Unusable(program, "it does not end");
  const json answer = json::parse(said, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || !answer.contains("ok")) {
    return Unusable(program, absl::StrCat(exit->ToString(), "; ", said));
  }
  if (answer.value("ok", false)) return answer;
  const absl::StatusOr<Exit> code = runtime::ExitOf(answer.value("exit", 70));
  return runtime::MakeError(answer.value("code", ""), code.ok() ? *code : Exit::kInternal,
                            answer.value("message", ""), answer.value("hint", ""));
}

}  // namespace apps
