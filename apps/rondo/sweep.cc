// `rondo sweep`: one run after the other, each by a `rondo run` of its own, so that one that
// crashes takes nothing with it. What has ended stands in OUT/results.jsonl, on the disk before the
// next one begins; whoever calls again goes on from there.
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "actors/sweep/sweep_plan.h"
#include "actors/sweep/sweep_results.h"
#include "apps/rondo/child_process.h"
#include "apps/rondo/format.h"
#include "apps/rondo/run_plan.h"
#include "apps/rondo/signals.h"
#include "apps/rondo/sweep_text.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/atomic_file.h"
#include "runtime/base/error.h"
#include "runtime/base/file_io.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using actors::SweepLine;
using actors::SweepPoint;
using actors::SweepRun;
using runtime::Exit;

// How soon a signal is noticed while a run goes on.
constexpr runtime::Duration kGlance = std::chrono::milliseconds(100);
// A run that is asked to stop has a last synchronization.
constexpr runtime::Duration kStopGrace = std::chrono::seconds(60);

absl::Status OutputFailed(const std::string& path, int reason) {
  return runtime::MakeError("OUTPUT_FAILED", Exit::kRunFailed,
                            absl::StrCat("cannot write ", path, ": ", std::strerror(reason)),
                            "is the folder writable, is the disk full?");
}

// OUT/results.jsonl, ours alone while we live.
class Results {
 public:
  static absl::StatusOr<std::unique_ptr<Results>> Open(const std::string& folder);
  ~Results() { close(file_); }

  const std::vector<SweepLine>& lines() const { return lines_; }
  absl::Status Append(SweepLine line);

 private:
  Results(std::string folder, int file) : folder_(std::move(folder)), file_(file) {}

  const std::string folder_;
  const int file_;
  std::vector<SweepLine> lines_;
};

absl::StatusOr<std::unique_ptr<Results>> Results::Open(const std::string& folder) {
  const std::string path = folder + "/results.jsonl";
  std::error_code error;
  std::filesystem::create_directories(folder + "/runs", error);
  if (error) return OutputFailed(folder, error.value());
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return OutputFailed(path, errno);
  std::unique_ptr<Results> results(new Results(folder, file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    return runtime::MakeError("SWEEP_RUNS", Exit::kUsage,
                              absl::StrCat("another rondo sweep works in ", folder),
                              "wait for it, or give another --out");
  }
  struct stat attributes {};
  if (fstat(file, &attributes) != 0) return OutputFailed(path, errno);
  std::string text(static_cast<std::size_t>(attributes.st_size), '\0');
  const ssize_t count = pread(file, text.data(), text.size(), 0);
  if (count != static_cast<ssize_t>(text.size())) return OutputFailed(path, errno);
  std::size_t whole = 0;
  ASSIGN_OR_RETURN(results->lines_, actors::ReadSweepLines(text, path, &whole));
  // What a crash has torn is made again, on a line of its own.
  if (whole != text.size() && ftruncate(file, static_cast<off_t>(whole)) != 0) {
    return OutputFailed(path, errno);
  }
  return results;
}

absl::Status Results::Append(SweepLine line) {
  const int reason = runtime::WriteAll(file_, actors::ToJson(line) + "\n");
  if (reason != 0) return OutputFailed(folder_ + "/results.jsonl", reason);
  if (fsync(file_) != 0) return OutputFailed(folder_ + "/results.jsonl", errno);
  lines_.push_back(std::move(line));
  return runtime::ReplaceFile(folder_ + "/results.csv", actors::ToCsv(actors::LatestOf(lines_)));
}

// A folder's name need not be UTF-8.
std::string Dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// What the run printed; "" if it could not even be started.
std::string ReadOutput(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// The run that a head has accepted, if it has.
std::string RunIdIn(const std::string& jsonl) {
  const auto json = nlohmann::json::parse(jsonl.substr(0, jsonl.find('\n')), nullptr,
                                          /*allow_exceptions=*/false);
  return json.is_object() && json.value("event", "") == "submitted" ? json.value("run_id", "") : "";
}

class Sweeper {
 public:
  static absl::StatusOr<std::unique_ptr<Sweeper>> Prepare(const SweepOptions& options,
                                                          Output& output);

  absl::StatusOr<int> Go();

 private:
  Sweeper(const SweepOptions& options, Output& output) : options_(options), output_(output) {}

  absl::Status CheckAll() const;
  absl::Status CheckFlags() const;
  absl::StatusOr<int> GoOn(const StopSignals& signals);
  // What stands in the results of run `index`, unless it is to be made again. Null: nothing.
  const SweepLine* Find(const SweepLine& wanted) const;
  // Its line without what it came to. No tau to be had: the fda run failed.
  absl::StatusOr<std::optional<SweepLine>> Describe(std::size_t index) const;
  // What the run that is on has come to is of no use any more.
  void EndRun();
  // False: a signal ended it. An error: whether it can be made was not to be found out.
  absl::StatusOr<bool> Make(const SweepRun& run, SweepLine& line, const StopSignals& signals);
  std::vector<std::string> ArgumentsOf(const SweepRun& run, const SweepLine& line) const;
  void Tell(std::size_t index, const SweepLine& line);
  void PrintSummary() const;

  const SweepOptions options_;
  Output& output_;
  actors::ConfigSources sources_;
  std::string program_;
  std::string folder_;
  std::vector<SweepPoint> points_;
  std::vector<SweepRun> runs_;
  std::vector<std::optional<SweepLine>> ended_;  // By run; none: not yet, or skipped.
  std::unique_ptr<Results> results_;
  std::unique_ptr<ChildProcess> child_;
  std::uint64_t made_ = 0;
  std::uint64_t skipped_ = 0;  // For want of the fda run that they are matched to.
  double seconds_made_ = 0;    // That the runs of this call took.
};

absl::StatusOr<std::unique_ptr<Sweeper>> Sweeper::Prepare(const SweepOptions& options,
                                                          Output& output) {
  std::unique_ptr<Sweeper> sweeper(new Sweeper(options, output));
  ASSIGN_OR_RETURN(sweeper->sources_, SourcesOf(options.config_path, options.overrides));
  const actors::ConfigSources& sources = sweeper->sources_;
  ASSIGN_OR_RETURN(const actors::SweepConfig config,
                   actors::ReadSweepConfig(sources.text, sources.name));
  ASSIGN_OR_RETURN(sweeper->points_, actors::ExpandSweep(config));
  RETURN_IF_ERROR(sweeper->CheckFlags());
  RETURN_IF_ERROR(sweeper->CheckAll());
  sweeper->runs_ = actors::OrderSweep(sweeper->points_);
  sweeper->ended_.resize(sweeper->runs_.size());
  ASSIGN_OR_RETURN(sweeper->program_, FindBesideUs("rondo"));
  const std::filesystem::path path(options.config_path);
  sweeper->folder_ = options.out.empty() ? "sweeps/" + path.stem().string() : options.out;
  return sweeper;
}

// What a flag sets for all runs cannot be what the runs differ in.
absl::Status Sweeper::CheckFlags() const {
  for (const actors::ConfigOverride& flag : options_.overrides) {
    for (const SweepPoint& point : points_) {
      if (!point.settings.contains(flag.key) && flag.key != "run.seed") continue;
      return runtime::MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                                absl::StrCat(flag.key, " (from ", flag.origin,
                                             ") is one of the values that the sweep goes through"),
                                "change it in the [sweep] of the config");
    }
  }
  return absl::OkStatus();
}

// A mistake shows before the first run, not hours later.
absl::Status Sweeper::CheckAll() const {
  for (const SweepPoint& point : points_) {
    const auto tau = point.matched.has_value() ? std::optional<std::uint64_t>(1) : std::nullopt;
    const auto resolved = actors::ResolveSweepRun(sources_, point, point.seeds.front(), tau);
    if (resolved.ok()) continue;
    runtime::UserError error = runtime::ToUserError(resolved.status());
    absl::StrAppend(&error.message, "; in the sweep's run \"",
                    actors::DescribePoint(point.settings), "\"");
    return runtime::ToStatus(error);
  }
  return absl::OkStatus();
}

const SweepLine* Sweeper::Find(const SweepLine& wanted) const {
  const std::vector<SweepLine>& lines = results_->lines();
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->identity != wanted.identity || line->point != wanted.point ||
        line->matched != wanted.matched) {
      continue;
    }
    return line->result.has_value() || !options_.retry_failed ? &*line : nullptr;
  }
  return nullptr;
}

absl::StatusOr<std::optional<SweepLine>> Sweeper::Describe(std::size_t index) const {
  const SweepRun& run = runs_[index];
  const SweepPoint& point = points_[run.point];
  SweepLine line{.point = point.settings, .seed = run.seed};
  std::optional<std::uint64_t> tau;
  if (run.matched.has_value()) {
    const std::optional<SweepLine>& fda = ended_[*run.matched];
    if (!fda.has_value() || !fda->result.has_value()) return std::nullopt;
    tau = actors::MatchedTau(fda->result->steps, fda->result->syncs);
    line.matched = points_[*point.matched].settings;
  }
  ASSIGN_OR_RETURN(const actors::ResolvedConfig resolved,
                   actors::ResolveSweepRun(sources_, point, run.seed, tau));
  line.identity = actors::IdentityOf(resolved.config);
  line.target = resolved.config.run.target_accuracy;
  line.tau = tau;
  return line;
}

std::vector<std::string> Sweeper::ArgumentsOf(const SweepRun& run, const SweepLine& line) const {
  std::vector<std::string> arguments = {"run", folder_ + "/config.toml", "--jsonl", "--quiet"};
  const auto set = [&arguments](const std::string& key, const std::string& value) {
    arguments.push_back("--set");
    arguments.push_back(absl::StrCat(key, "=", value));
  };
  for (const actors::ConfigOverride& flag : options_.overrides) set(flag.key, flag.value);
  for (const auto& [key, value] : line.point) set(key, actors::ToTomlLiteral(value));
  set("run.seed", std::to_string(run.seed));
  if (line.tau.has_value()) set("strategy.tau", std::to_string(*line.tau));
  if (options_.head.has_value()) {
    arguments.insert(arguments.end(), {"--head", *options_.head});
  } else {
    set("run.out", folder_ + "/runs");
  }
  return arguments;
}

// A follower that ends would leave its run to the head, and the next one without a place.
void Sweeper::EndRun() {
  const std::string run_id = RunIdIn(ReadOutput(folder_ + "/run.jsonl"));
  if (options_.head.has_value() && !run_id.empty()) {
    absl::StatusOr<std::unique_ptr<ChildProcess>> stop =
        ChildProcess::Start({.program = program_,
                             .arguments = {"stop", run_id, "--head", *options_.head, "--quiet"},
                             .log_path = folder_ + "/stop.log"});
    if (stop.ok()) (void)(*stop)->WaitUntil(std::chrono::steady_clock::now() + kStopGrace);
    unlink((folder_ + "/stop.log").c_str());
  }
  child_->Terminate(kStopGrace);
}

absl::StatusOr<bool> Sweeper::Make(const SweepRun& run, SweepLine& line,
                                   const StopSignals& signals) {
  const std::string log = folder_ + "/run.jsonl";
  unlink(log.c_str());
  ASSIGN_OR_RETURN(
      child_, ChildProcess::Start(
                  {.program = program_, .arguments = ArgumentsOf(run, line), .log_path = log}));
  const runtime::Time deadline = std::chrono::steady_clock::now() + options_.run_timeout;
  bool timed_out = false;
  while (!child_->WaitUntil(std::chrono::steady_clock::now() + kGlance).has_value()) {
    timed_out = std::chrono::steady_clock::now() >= deadline;
    if (timed_out || signals.received() != 0) EndRun();
  }
  if (signals.received() != 0) return false;
  actors::TakeRunOutput(ReadOutput(log), line);
  // A head that is gone or has another run says nothing of this one.
  if (line.error.has_value() &&
      (line.error->exit == Exit::kHeadUnreachable || line.error->code == "HEAD_BUSY")) {
    return runtime::ToStatus(*line.error);
  }
  if (timed_out) {
    line.result.reset();
    line.error = runtime::UserError{
        .code = "RUN_TIMED_OUT",
        .exit = Exit::kTimedOut,
        .message = absl::StrCat("not at its end after ",
                                FormatSeconds(runtime::ToSeconds(options_.run_timeout))),
        .hint = "give a longer --run-timeout"};
  }
  if (line.result.has_value() && !options_.head.has_value()) {
    line.folder = "runs/" + line.result->run_id;
    line.result->model_path = line.folder + "/model.pt";
  }
  return true;
}

void Sweeper::Tell(std::size_t index, const SweepLine& line) {
  double left = 0;
  if (made_ > 0) {
    left =
        seconds_made_ / static_cast<double>(made_) * static_cast<double>(runs_.size() - index - 1);
  }
  const std::string name = absl::StrCat(actors::DescribePoint(line.point), ", seed ", line.seed);
  const std::string text = RenderSweepLine(line, name);
  output_.Note(
      absl::StrCat(index + 1, "/", runs_.size(), "  ", text,
                   index + 1 < runs_.size() ? "; about " + FormatSeconds(left) + " left" : ""));
  nlohmann::ordered_json event{{"event", "sweep_run"}, {"run", index + 1}, {"runs", runs_.size()}};
  event["line"] = nlohmann::ordered_json::parse(actors::ToJson(line));
  output_.Event(Dump(event));
}

absl::StatusOr<int> Sweeper::GoOn(const StopSignals& signals) {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    ASSIGN_OR_RETURN(std::optional<SweepLine> line, Describe(i));
    if (!line.has_value()) {
      ++skipped_;
      output_.Note(absl::StrCat(i + 1, "/", runs_.size(), "  ",
                                actors::DescribePoint(points_[runs_[i].point].settings),
                                ": left out, since the fda run that gives its tau failed"));
      continue;
    }
    if (const SweepLine* done = Find(*line)) {
      ended_[i] = *done;
      continue;
    }
    const runtime::Time begin = std::chrono::steady_clock::now();
    ASSIGN_OR_RETURN(const bool ended, Make(runs_[i], *line, signals));
    if (!ended) {
      return runtime::MakeError("SWEEP_STOPPED", Exit::kRunFailed,
                                "stopped by a signal; the run that was on is not counted",
                                "the same command goes on with it");
    }
    seconds_made_ += runtime::ToSeconds(std::chrono::steady_clock::now() - begin);
    ++made_;
    RETURN_IF_ERROR(results_->Append(*line));
    Tell(i, *line);
    ended_[i] = *std::move(line);
  }
  PrintSummary();
  for (const std::optional<SweepLine>& line : ended_) {
    if (!line.has_value() || !line->result.has_value()) return static_cast<int>(Exit::kRunFailed);
  }
  return 0;
}

void Sweeper::PrintSummary() const {
  std::vector<SweepLine> lines;
  for (const std::optional<SweepLine>& line : ended_) {
    if (line.has_value()) lines.push_back(*line);
  }
  const std::vector<actors::SweepSummary> summaries = actors::Summarize(lines);
  nlohmann::ordered_json json{{"results", folder_ + "/results.jsonl"},
                              {"table", folder_ + "/results.csv"},
                              {"runs", runs_.size()},
                              {"made", made_},
                              {"left_out", skipped_}};
  json["points"] = nlohmann::ordered_json::parse(SummariesToJson(summaries));
  output_.Data("sweep", Dump(json));
  json["event"] = "swept";
  json["terminal"] = true;
  output_.Event(Dump(json));
  output_.Text(RenderSummaries(summaries) +
               absl::StrCat("results ", folder_, "/results.jsonl, ", folder_, "/results.csv\n"));
}

absl::StatusOr<int> Sweeper::Go() {
  if (options_.dry_run) {
    output_.Text(RenderSweepPlan(points_, runs_));
    output_.Data("sweep", SweepPlanToJson(points_, runs_));
    return 0;
  }
  ASSIGN_OR_RETURN(results_, Results::Open(folder_));
  if (const absl::Status kept = runtime::ReplaceFile(folder_ + "/config.toml", sources_.text);
      !kept.ok()) {
    return OutputFailed(folder_ + "/config.toml", errno);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<StopSignals> signals, StopSignals::Install());
  absl::StatusOr<int> code = GoOn(*signals);
  unlink((folder_ + "/run.jsonl").c_str());
  if (signals->received() == 0 || code.ok()) return code;
  if (output_.format() == OutputFormat::kHuman) {
    output_.Note(HumanError(code.status(), /*color=*/false));
  } else {
    (void)output_.Fail("sweep", code.status());
  }
  return signals->ExitCode();
}

}  // namespace

absl::StatusOr<int> Sweep(const SweepOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Sweeper> sweeper, Sweeper::Prepare(options, output));
  return sweeper->Go();
}

}  // namespace apps
