// `rondo run`: resolve the config, then train here or submit it.
#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>

#include "actors/run_config.h"
#include "apps/rondo/client.h"
#include "apps/rondo/follow.h"
#include "apps/rondo/head_process.h"
#include "apps/rondo/progress.h"
#include "apps/rondo/run_plan.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/verbs.h"
#include "apps/rondo/worker_pool.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

constexpr runtime::Duration kWorkersEnd = std::chrono::seconds(3);
constexpr runtime::Duration kGrace = std::chrono::seconds(1);

// What the config asks for and a run on a cluster does not give; "" if nothing.
std::string WarningOfSubmitted(const actors::ResolvedConfig& resolved) {
  const std::string origin = resolved.origins.at("run.threads");
  if (origin == actors::kDefaultOrigin) return "";
  return absl::StrCat("run.threads = ", resolved.config.run.threads, " (", origin,
                      ") has no effect on a cluster: each machine gives its workers the threads "
                      "of its own rondo join --threads");
}

// Nobody has joined an embedded run, so nobody has brought a folder.
absl::Status RefuseOwnData(const actors::RunConfig& config) {
  if (config.data.placement != actors::DataPlacement::kOwn) return absl::OkStatus();
  return runtime::MakeError(
      "CONFIG_CONFLICT", runtime::Exit::kUsage,
      "data.placement = \"own\" needs nodes with data of their own, and without --head all workers "
      "are this machine's",
      "start rondo head, then on each node rondo join HEAD --data DIR, then rondo run CONFIG "
      "--head HEAD; one machine may join several times, each with its --name and --data");
}

// Every value and its origin, and what the run would do: as text, or in one object with "config"
// (as TOML) and "origins". Data that cannot be read is an error, but the values are told all the
// same.
absl::StatusOr<int> DryRun(const actors::ResolvedConfig& resolved, const std::string& warning,
                           Output& output) {
  nlohmann::ordered_json json;
  json["config"] = actors::ToToml(resolved.config);
  json["origins"] = resolved.origins;
  if (!warning.empty()) json["warning"] = warning;
  const auto dump = [&json] {
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  output.Text(actors::ToToml(resolved));
  const absl::StatusOr<RunPlan> plan = PlanRun(resolved.config);
  if (!plan.ok()) return output.Fail("run", plan.status(), dump());
  json.update(nlohmann::ordered_json::parse(PlanToJson(*plan)));
  output.Data("run", dump());
  json["terminal"] = true;
  output.Event(dump());
  output.Text("\n" + RenderPlan(*plan, resolved.config));
  return 0;
}

runtime::LivenessProfile LivenessOf(actors::Profile profile) {
  switch (profile) {
    case actors::Profile::kLocal: return runtime::LivenessProfile::Local();
    case actors::Profile::kLan: return runtime::LivenessProfile::Lan();
    case actors::Profile::kWan: return runtime::LivenessProfile::Wan();
  }
  REQUIRE(false);
}

ProgressOptions ProgressOptionsOf(const actors::RunConfig& config, const std::string& run_id) {
  return {.run_id = run_id, .max_steps = config.run.max_steps};
}

void PrintResult(const actors::RunResult& result, Output& output) {
  output.Data("run", actors::ToJson(result));
  output.Text(RenderResult(result));
}

// The error of a run whose files are on this machine.
absl::Status WithLogs(const absl::Status& why, const std::string& folder) {
  runtime::UserError error = runtime::ToUserError(why);
  absl::StrAppend(&error.message, error.message.ends_with('\n') ? "" : "\n", "logs: ", folder,
                  "/logs");
  return runtime::ToStatus(error);
}

// A head and workers on this machine, which end with the run.
absl::StatusOr<int> RunEmbedded(const actors::RunConfig& config, Output& output) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  const runtime::SteadyClock clock;
  std::unique_ptr<Client> client;
  ASSIGN_OR_RETURN(const std::unique_ptr<HeadProcess> head,
                   HeadProcess::Start({.listen = {.host = "127.0.0.1"},
                                       .liveness = LivenessOf(config.network.profile),
                                       .prepare = [&client](runtime::Node& node) -> absl::Status {
                                         ASSIGN_OR_RETURN(client, Client::On(node));
                                         return absl::OkStatus();
                                       }}));
  ASSIGN_OR_RETURN(const actors::RunAccepted accepted, client->Submit(actors::ToToml(config)));
  WorkerPool workers({.head = head->join_address(),
                      .workers = config.run.workers,
                      .threads = config.run.threads,
                      .name = "worker",
                      .folder = accepted.folder,
                      .wish_slots = true});
  RETURN_IF_ERROR(workers.Start());
  absl::StatusOr<std::optional<actors::RunResult>> result;
  {
    Progress progress(ProgressOptionsOf(config, accepted.run_id), output, clock);
    result =
        Follow({.client = *client, .progress = progress, .signals = *signals, .workers = &workers});
  }
  // The workers hear that the head ends, and end by themselves.
  head->Stop();
  workers.StopAll(clock.Now() + kWorkersEnd, kGrace);
  if (!result.ok()) return WithLogs(result.status(), accepted.folder);
  PrintResult(**result, output);
  return signals->received() != 0 ? signals->ExitCode() : 0;
}

nlohmann::ordered_json Submitted(const actors::RunAccepted& accepted, const std::string& head) {
  return {{"run_id", accepted.run_id},
          {"head", head},
          {"folder", accepted.folder},
          {"event", "submitted"}};
}

// On the cluster of `head`, followed to its end.
absl::StatusOr<int> RunSubmitted(const actors::RunConfig& config, const std::string& head,
                                 Output& output) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  const runtime::SteadyClock clock;
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo run"}));
  ASSIGN_OR_RETURN(const actors::RunAccepted accepted, client->Submit(actors::ToToml(config)));
  output.Event(Submitted(accepted, head).dump());
  Progress progress(ProgressOptionsOf(config, accepted.run_id), output, clock);
  progress.Note(absl::StrCat("run ", accepted.run_id, " accepted; files in ", accepted.folder,
                             " on the head's machine"));
  ASSIGN_OR_RETURN(const std::optional<actors::RunResult> result,
                   Follow({.client = *client, .progress = progress, .signals = *signals}));
  if (!result.has_value()) {
    progress.Note(absl::StrCat("detached; run ", accepted.run_id, " goes on"));
    output.Event(
        nlohmann::json{{"event", "detached"}, {"run_id", accepted.run_id}, {"terminal", true}}
            .dump());
    return signals->ExitCode();
  }
  PrintResult(*result, output);
  return 0;
}

// On the cluster of `head`, which is left to it.
absl::StatusOr<int> Submit(const actors::RunConfig& config, const std::string& head,
                           Output& output) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo run"}));
  ASSIGN_OR_RETURN(const actors::RunAccepted accepted,
                   client->SubmitUnfollowed(actors::ToToml(config)));
  nlohmann::ordered_json data = Submitted(accepted, head);
  data["terminal"] = true;
  output.Event(data.dump());
  data.erase("event");
  data.erase("terminal");
  output.Data("run", data.dump());
  output.Text(absl::StrCat("run ", accepted.run_id, " submitted; files in ", accepted.folder,
                           " on the head's machine\nfollow it:    rondo status -w --head ", head,
                           "\nits result:   rondo show ", accepted.run_id, " --head ", head,
                           "\nend it early: rondo stop ", accepted.run_id, " --head ", head));
  return 0;
}

}  // namespace

absl::StatusOr<int> Run(const RunOptions& options, Output& output) {
  ASSIGN_OR_RETURN(actors::ResolvedConfig resolved,
                   ResolveConfig(options.config_path, options.overrides));
  // Whoever dies here is started again, and meanwhile the others go on.
  std::string& origin = resolved.origins["run.min_workers"];
  if (!options.head.has_value() && origin == actors::kDefaultOrigin) {
    resolved.config.run.min_workers = 1;
    origin = "default without --head";
  }
  if (!options.head.has_value()) RETURN_IF_ERROR(RefuseOwnData(resolved.config));
  const std::string warning = options.head.has_value() ? WarningOfSubmitted(resolved) : "";
  if (!warning.empty()) output.Note("warning: " + warning);
  if (options.dry_run) return DryRun(resolved, warning, output);
  if (options.head.has_value() && !options.wait) {
    return Submit(resolved.config, *options.head, output);
  }
  return options.head.has_value() ? RunSubmitted(resolved.config, *options.head, output)
                                  : RunEmbedded(resolved.config, output);
}

}  // namespace apps
