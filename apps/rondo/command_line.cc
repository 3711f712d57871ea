#include "apps/rondo/command_line.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "actors/run_config_keys.h"
#include "apps/rondo/command_line_parts.h"
#include "apps/rondo/verb_parser.h"
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using runtime::Exit;
using runtime::MakeError;

absl::Status InvalidValue(const std::string& flag, const std::string& text,
                          const std::string& expected) {
  return MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                   absl::StrCat(flag, " must be ", expected, ", not \"", text, "\""), "");
}

// ---- run ----

// "max_steps" -> "--max-steps".
std::string FlagOfKey(const std::string& name) {
  std::string flag = "--" + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

absl::StatusOr<actors::ConfigOverride> ParseSet(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals) {
    return InvalidValue("--set", text, "section.key=value, as in strategy.theta=0.5");
  }
  return actors::ConfigOverride{text.substr(0, equals), text.substr(equals + 1), "--set"};
}

absl::StatusOr<Command> ParseRun(const Arguments& arguments, const Environment& environment) {
  VerbParser parser(
      "run", "CONFIG [FLAGS]",
      "Train as CONFIG says. Without --head: on this machine, with a head and workers "
      "that end with the run. With --head: on that cluster; Ctrl-C detaches, and threads are "
      "those of each machine's rondo join --threads.");
  RunOptions options;
  std::string head;
  std::vector<std::string> sets;
  parser.AllowJsonl();
  parser.Positional("CONFIG", &options.config_path,
                    "a TOML file such as apps/examples/digits.toml");
  parser.Text("--head", "WHERE", &head, "submit to this head; else RONDO_HEAD, else run here");
  parser.Switch("--dry-run", &options.dry_run, "print every resolved value and its origin; no run");
  bool no_wait = false;
  parser.Switch("--no-wait", &no_wait, "with a head: submit, print the run's id, and end");
  parser.Texts("--set", "KEY=VALUE", &sets, "override any key: --set strategy.theta=0.5");
  std::vector<std::pair<std::string, std::string>> values;  // Flag and value of [run]'s keys.
  for (const actors::ConfigKey& key : actors::ConfigKeys()) {
    if (key.section == "run") values.emplace_back(key.name, "");
  }
  for (const actors::ConfigKey& key : actors::ConfigKeys()) {
    parser.Redirect(FlagOfKey(key.name), absl::StrCat("use --set ", key.FullName(), "=VALUE"));
  }
  for (auto& [name, value] : values) {
    parser.Text(FlagOfKey(name), "VALUE", &value, "as --set run." + name);
  }
  parser.Footer(
      "A value comes from its flag, else RONDO_<SECTION>_<KEY>, else CONFIG, else the "
      "default.");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (options.config_path.empty()) {
    return parser.Missing("CONFIG", "try rondo run apps/examples/digits.toml");
  }
  for (const std::string& set : sets) {
    ASSIGN_OR_RETURN(actors::ConfigOverride override, ParseSet(set));
    options.overrides.push_back(std::move(override));
  }
  for (const auto& [name, value] : values) {
    if (!value.empty()) options.overrides.push_back({"run." + name, value, FlagOfKey(name)});
  }
  options.head = ChooseHead(head, environment);
  options.wait = !no_wait;
  if (no_wait && !options.head.has_value()) {
    return MakeError("USAGE_MISSING_ARGUMENT", Exit::kUsage,
                     "rondo run --no-wait needs --head: without one the run ends with this process",
                     "rondo run CONFIG --head WHERE --no-wait");
  }
  return parser.Made(options);
}

// ---- head, join ----

absl::StatusOr<Command> ParseHead(const Arguments& arguments, const Environment&) {
  VerbParser parser("head", "[FLAGS]",
                    "Start a head in front: it knows the nodes and runs, and prints the command "
                    "with which machines join.");
  HeadOptions options;
  std::string port_range;
  parser.Text("--listen", "ADDRESS", &options.listen, "default tcp://127.0.0.1:7070; port 0: any");
  parser.Text("--advertise", "HOST", &options.advertise,
              "the name by which others reach this host");
  parser.Text("--port-range", "A-B", &port_range, "for the second and third port; default: any");
  parser.Text("--state-dir", "DIR", &options.state_dir, "journal and models; default: a fresh one");
  parser.Switch("--resume", &options.resume, "go on with the journal in --state-dir");
  parser.Switch("--insecure", &options.insecure, "allow other machines without encryption");
  parser.Switch("--no-connect-back", &options.no_connect_back,
                "take all workers for reachable: they reach each other, this head not them");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (!port_range.empty()) {
    ASSIGN_OR_RETURN(options.port_range, ParsePortRange("--port-range", port_range));
  }
  if (options.resume && options.state_dir.empty()) {
    return MakeError("USAGE_MISSING_ARGUMENT", Exit::kUsage,
                     "rondo head --resume needs --state-dir, the folder to go on with",
                     "rondo head --state-dir DIR --resume");
  }
  return parser.Made(options);
}

absl::StatusOr<Command> ParseJoin(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("join", "WHERE [FLAGS]",
                    "Add this machine to the cluster of a head. WHERE is host:port or the string "
                    "that rondo head printed.");
  JoinOptions options;
  std::string workers = "1", threads = "1", timeout = "30s", port_range;
  parser.Positional("WHERE", &options.where, "host:port or a join string; else RONDO_JOIN");
  parser.Text("--name", "NAME", &options.name, "of this node; default: the host's");
  parser.Text("--workers", "N", &workers, "worker processes, 1 to 32; default 1");
  parser.Text("--data", "DIR", &options.data_dir,
              "where data sets lie; else RONDO_DATA, else ./data");
  parser.Text("--advertise", "HOST", &options.advertise,
              "the name by which others reach this host");
  parser.Text("--port-range", "A-B", &port_range, "for the ring's ports; default: any");
  parser.Text("--threads", "N", &threads, "compute threads of each worker; default 1");
  parser.Text("--timeout", "TIME", &timeout, "how long to try, such as 30s (the default) or 5m");
  parser.Switch("--insecure", &options.insecure,
                "allow a head on another machine without encryption");
  parser.Footer(
      "For a run with data.placement = \"own\", --data names the folder of this node's own data;\n"
      "its workers share them out between them.");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (options.where.empty()) options.where = Lookup(environment, "RONDO_JOIN").value_or("");
  if (options.where.empty())
    return parser.Missing("WHERE", "paste the line that rondo head printed");
  if (options.data_dir.empty()) options.data_dir = Lookup(environment, "RONDO_DATA").value_or("");
  ASSIGN_OR_RETURN(const std::uint64_t worker_count,
                   ParseCount("--workers", workers, 1, actors::kMostWorkers));
  ASSIGN_OR_RETURN(const std::uint64_t thread_count, ParseCount("--threads", threads, 1, 1024));
  options.workers = static_cast<std::uint32_t>(worker_count);
  options.threads = static_cast<std::uint32_t>(thread_count);
  ASSIGN_OR_RETURN(options.timeout, ParseDuration("--timeout", timeout));
  if (!port_range.empty()) {
    ASSIGN_OR_RETURN(options.port_range, ParsePortRange("--port-range", port_range));
  }
  return parser.Made(options);
}

// ---- status, check, down ----

absl::StatusOr<Command> ParseStatus(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("status", "[FLAGS]", "Show nodes, runs, rounds, traffic and what was dropped.");
  StatusOptions options;
  std::string head;
  parser.AllowJsonl();
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  parser.Switch("-w,--watch", &options.watch, "again on every change, until Ctrl-C");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  Command command = parser.Made(options);
  if (options.watch && command.output.format == OutputFormat::kJson) {
    return MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                     "rondo status: --json is one object, --watch is many",
                     "use --jsonl with --watch");
  }
  options.head = ChooseHead(head, environment);
  command.options = options;
  return command;
}

absl::StatusOr<Command> ParseCheck(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("check", "[CONFIG] [FLAGS]",
                    "Look before running: the config, its data, the machine and, if there is one, "
                    "the head.");
  CheckOptions options;
  std::string head;
  parser.Positional("CONFIG", &options.config_path, "the config to check");
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  options.head = ChooseHead(head, environment);
  return parser.Made(options);
}

absl::StatusOr<Command> ParseDown(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("down", "[FLAGS]", "Stop a cluster: its runs, its nodes and its head.");
  std::string head;
  parser.Text("--head", "WHERE", &head, kHeadHelp);
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  return parser.Made(DownOptions{ChooseHead(head, environment)});
}

// ---- bench, version ----

absl::StatusOr<Command> ParseBench(const Arguments& arguments, const Environment&) {
  VerbParser parser("bench", "allreduce [FLAGS]",
                    "Measure this machine: the ring allreduce between processes, with the checks "
                    "and hashes of a round. Times are those of the slowest rank.");
  BenchAllreduceOptions options;
  std::string what, workers = "4", elements = "1000000", transport = "auto", repeats = "20";
  parser.Positional("WHAT", &what, "allreduce");
  parser.Text("--workers", "K", &workers, "processes, 1 to 32; default 4");
  parser.Text("--elements", "N", &elements, "floats; default 1000000");
  parser.Text("--transport", "NAME", &transport, "auto (the default), tcp or ipc");
  parser.Text("--repeats", "N", &repeats, "allreduces, back to back; default 20");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (what.empty()) return parser.Missing("what to measure", "try rondo bench allreduce");
  if (what != "allreduce") {
    return MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                     absl::StrCat("rondo bench cannot measure \"", what, "\" in this version"),
                     runtime::DidYouMean(what, {"allreduce"}, "available now: allreduce"));
  }
  ASSIGN_OR_RETURN(const std::uint64_t worker_count,
                   ParseCount("--workers", workers, 1, actors::kMostWorkers));
  ASSIGN_OR_RETURN(options.elements, ParseCount("--elements", elements, 1, 1'000'000'000));
  ASSIGN_OR_RETURN(const std::uint64_t repeat_count, ParseCount("--repeats", repeats, 1, 100'000));
  options.workers = static_cast<std::uint32_t>(worker_count);
  options.repeats = static_cast<std::uint32_t>(repeat_count);
  for (const actors::TransportName name :
       {actors::TransportName::kAuto, actors::TransportName::kTcp, actors::TransportName::kIpc}) {
    if (actors::ToString(name) != transport) continue;
    options.transport = name;
    return parser.Made(options);
  }
  return InvalidValue("--transport", transport, "auto, tcp or ipc");
}

absl::StatusOr<Command> ParseVersion(const Arguments& arguments, const Environment&) {
  VerbParser parser("version", "[FLAGS]", "Print the version, the wire protocol and the build.");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  return parser.Made(VersionOptions{});
}

absl::StatusOr<Command> ParseHelp(const Arguments& arguments, const Environment& environment);

// ---- verbs ----

struct Verb {
  const char* name;
  const char* summary;
  absl::StatusOr<Command> (*parse)(const Arguments&, const Environment&);
};

constexpr Verb kVerbs[] = {
    {"run", "train: here, or on a cluster with --head", ParseRun},
    {"head", "start a head in front and print how to join it", ParseHead},
    {"join", "add this machine to a cluster", ParseJoin},
    {"status", "show nodes, runs and traffic", ParseStatus},
    {"check", "look before running: config, data, machine, head", ParseCheck},
    {"stop", "end a run in order", ParseStop},
    {"runs", "list the runs of a head", ParseRuns},
    {"show", "show one run; fetch its model", ParseShow},
    {"evaluate", "test a saved model", ParseEvaluate},
    {"leave", "take a worker or a machine out of a cluster", ParseLeave},
    {"down", "stop a cluster", ParseDown},
    {"bench", "measure this machine", ParseBench},
    {"version", "print the version", ParseVersion},
    {"help", "explain a verb", ParseHelp},
};

std::vector<std::string> VerbNames() {
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) names.emplace_back(verb.name);
  return names;
}

const Verb* FindVerb(const std::string& name) {
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) return &verb;
  }
  return nullptr;
}

std::string ShortHelp() {
  std::string text =
      "rondo trains a model on several workers and synchronizes them only when they have drifted "
      "apart.\n\nUsage: rondo VERB [FLAGS]\n\n";
  for (const Verb& verb : kVerbs) {
    absl::StrAppend(&text, "  ", verb.name, std::string(10 - std::string(verb.name).size(), ' '),
                    verb.summary, "\n");
  }
  return text + "\nStart with: rondo run apps/examples/digits.toml\nMore: rondo help VERB\n";
}

std::string LongHelp() {
  return ShortHelp() +
         "\nExit codes: 0 ok; 1 the run failed or was aborted; 2 usage or config; 3 head\n"
         "unreachable or connection lost; 4 refused; 5 timed out; 6 not found; 7 incompatible\n"
         "version, schema or layout; 8 data, checkpoint, model or journal unreadable; 9 evicted;\n"
         "70 a bug of ours; 128+n ended by signal n.\n";
}

absl::Status UnknownVerb(const std::string& verb) {
  if (!verb.empty() && verb[0] == '-') {
    return MakeError("USAGE_UNKNOWN_FLAG", Exit::kUsage,
                     absl::StrCat("rondo has no flag ", verb, " before a verb"),
                     "flags stand behind the verb: rondo VERB [FLAGS]");
  }
  return MakeError("USAGE_UNKNOWN_VERB", Exit::kUsage, absl::StrCat("rondo has no verb ", verb),
                   runtime::DidYouMean(verb, VerbNames(), "see rondo help"));
}

// `rondo help`, `rondo help VERB`.
absl::StatusOr<Command> ParseHelp(const Arguments& arguments, const Environment& environment) {
  VerbParser parser("help", "[VERB]", "Explain a verb, or list them all.");
  std::string verb;
  parser.Positional("VERB", &verb, "the verb to explain");
  ASSIGN_OR_RETURN(const bool wants_help, parser.Parse(arguments));
  if (wants_help) return parser.MadeHelp();
  if (verb.empty()) return parser.Made(HelpOptions{LongHelp()});
  const Verb* const found = FindVerb(verb);
  if (found == nullptr) return UnknownVerb(verb);
  ASSIGN_OR_RETURN(const Command explained, found->parse({"--help"}, environment));
  return parser.Made(std::get<HelpOptions>(explained.options));
}

}  // namespace

absl::StatusOr<runtime::Duration> ParseDuration(const std::string& flag, const std::string& text) {
  const std::string expected = "a time such as 30s, 500ms, 10m or 2h, > 0 and at most 168h";
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::string unit = end == std::string::npos ? "s" : text.substr(end);
  const std::pair<const char*, double> units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  for (const auto& [name, seconds] : units) {
    if (unit != name) continue;
    double number = 0;
    const char* const last = text.data() + std::min(end, text.size());
    const auto [rest, error] = std::from_chars(text.data(), last, number);
    const double total = number * seconds;
    if (error != std::errc() || rest != last || !(total > 0) || total > 7 * 24 * 3600) break;
    return runtime::FromSeconds(total);
  }
  return InvalidValue(flag, text, expected);
}

absl::StatusOr<std::uint64_t> ParseCount(const std::string& flag, const std::string& text,
                                         std::uint64_t low, std::uint64_t high) {
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || rest != end || count < low || count > high) {
    return InvalidValue(flag, text, absl::StrCat("an integer from ", low, " to ", high));
  }
  return count;
}

absl::StatusOr<PortRange> ParsePortRange(const std::string& flag, const std::string& text) {
  const absl::Status invalid =
      InvalidValue(flag, text, "two ports A-B from 1 to 65535 with A <= B, as in 7100-7199");
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) return invalid;
  const auto first = ParseCount(flag, text.substr(0, dash), 1, 65535);
  const auto last = ParseCount(flag, text.substr(dash + 1), 1, 65535);
  if (!first.ok() || !last.ok() || *first > *last) return invalid;
  return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

absl::StatusOr<Command> ParseCommandLine(const std::vector<std::string>& arguments,
                                         const Environment& environment) {
  if (arguments.empty()) return Command{"help", {}, HelpOptions{ShortHelp(), true}};
  std::string verb = arguments.front();
  if (verb == "--help" || verb == "-h") verb = "help";
  if (verb == "--version") verb = "version";
  const Verb* const found = FindVerb(verb);
  if (found == nullptr) return UnknownVerb(verb);
  return found->parse(Arguments(arguments.begin() + 1, arguments.end()), environment);
}

OutputOptions GuessOutput(const std::vector<std::string>& arguments) {
  OutputOptions options;
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument == "--json") options.format = OutputFormat::kJson;
    if (argument == "--jsonl") options.format = OutputFormat::kJsonl;
    if (argument == "--no-color") options.no_color = true;
  }
  return options;
}

std::string GuessVerb(const std::vector<std::string>& arguments) {
  if (arguments.empty() || FindVerb(arguments.front()) == nullptr) return "";
  return arguments.front();
}

}  // namespace apps
