// `rondo show`: one run, and its files.
#include <absl/strings/str_cat.h>

#include <filesystem>

#include "apps/rondo/client.h"
#include "apps/rondo/fetch.h"
#include "apps/rondo/format.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/runs_text.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using actors::RunFile;

constexpr runtime::Duration kAnswerTimeout = std::chrono::seconds(5);
// Of one part: 512 KiB over a slow line.
constexpr runtime::Duration kPartTimeout = std::chrono::seconds(30);

// The model comes last: what a run without one has left is here by then.
constexpr RunFile kFiles[] = {RunFile::kConfig, RunFile::kMetrics, RunFile::kModel};

absl::Status NoModel(const Json& run, const std::string& folder) {
  return runtime::MakeError(
      "MODEL_NOT_FOUND", runtime::Exit::kNotFound,
      absl::StrCat("run ", TextOf(run, "run_id"), " is ", TextOf(run, "state"),
                   IsOn(run) ? " and has no model yet" : " and left no model",
                   "; its configuration and metrics are in ", folder),
      IsOn(run) ? "wait for its end, or end it: rondo stop" : "");
}

// Name and length of each file.
absl::StatusOr<Json> Fetch(Client& client, const Json& run, const std::string& folder,
                           Output& output) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return runtime::MakeError("OUTPUT_FAILED", runtime::Exit::kRunFailed,
                              absl::StrCat("cannot make ", folder, ": ", error.message()),
                              "give --fetch a writable folder with space");
  }
  Json fetched = Json::object();
  for (const RunFile file : kFiles) {
    const std::string path = absl::StrCat(folder, "/", actors::FileName(file));
    const absl::StatusOr<std::uint64_t> bytes = FetchFile(
        TextOf(run, "run_id"), file, path,
        [&client](const actors::FetchPart& part) { return client.Ask(part, kPartTimeout); });
    if (!bytes.ok() && file == RunFile::kModel &&
        runtime::ToUserError(bytes.status()).code == "FILE_NOT_FOUND") {
      return NoModel(run, folder);
    }
    RETURN_IF_ERROR(bytes.status());
    fetched[actors::FileName(file)] = *bytes;
    output.Note(absl::StrCat("fetched ", path, ", ", FormatBytes(*bytes)));
  }
  return fetched;
}

}  // namespace

absl::StatusOr<int> Show(const ShowOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::string head, ChooseHead(options.head));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo show"}));
  ASSIGN_OR_RETURN(const actors::RunsReply reply,
                   client->Ask(actors::RunsRequest{.run_id = options.run_id}, kAnswerTimeout));
  ASSIGN_OR_RETURN(Json run, ReadRun(reply.json));
  output.Text(RenderRun(run));
  if (!options.fetch.empty()) {
    const absl::StatusOr<Json> fetched = Fetch(*client, run, options.fetch, output);
    if (!fetched.ok()) return output.Fail("show", fetched.status(), run.dump());
    run["fetched"] = {{"folder", options.fetch}, {"bytes", *fetched}};
    output.Text("fetched into " + options.fetch);
  }
  output.Data("show", run.dump());
  return 0;
}

}  // namespace apps
