// What was asked for on the command line: one struct per verb, checked as far as that goes without
// files and network.
#ifndef RONDO_APPS_RONDO_OPTIONS_H_
#define RONDO_APPS_RONDO_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/run_config.h"
#include "apps/rondo/output.h"
#include "runtime/base/clock.h"

namespace apps {

struct PortRange {
  std::uint16_t first = 0;  // Both included; 1 to 65535.
  std::uint16_t last = 0;
};

struct RunOptions {
  std::string config_path;
  std::vector<actors::ConfigOverride> overrides;  // --set and the flags named after [run]'s keys.
  // --head or RONDO_HEAD: submit there. None: embedded, a head and workers on this machine.
  std::optional<std::string> head;
  bool dry_run = false;
  bool wait = true;  // False, with a head only: submit, and follow nothing.
};

struct HeadOptions {
  std::string listen;     // Empty: where an earlier head listened, else tcp://127.0.0.1:7070.
  std::string advertise;  // Empty: the address of the route.
  std::optional<PortRange> port_range;  // For the second and third port; none: ephemeral.
  std::string state_dir;                // Empty: a fresh directory.
  bool resume = false;
  bool insecure = false;  // Allows an address off loopback without encryption.
  bool no_connect_back = false;
};

struct JoinOptions {
  std::string where;          // host:port or a join string; also from RONDO_JOIN.
  std::string name;           // Empty: the host's name.
  std::uint32_t workers = 1;  // Processes.
  std::string data_dir;       // Before RONDO_DATA and ./data; the only one for own data.
  std::string advertise;
  std::optional<PortRange> port_range;
  std::uint32_t threads = 1;  // Compute threads of each worker.
  runtime::Duration timeout = std::chrono::seconds(30);
  bool insecure = false;
};

// For the verbs that ask a head; none: RONDO_HEAD was not set either, look for the newest head that
// this user started on this machine.
using HeadChoice = std::optional<std::string>;

struct StatusOptions {
  HeadChoice head;
  bool watch = false;
};

struct CheckOptions {
  std::string config_path;  // Empty: only the machine and, if given, the head.
  HeadChoice head;
};

struct DownOptions {
  HeadChoice head;
};

struct StopOptions {
  HeadChoice head;
  std::string run_id;  // Empty: the run that is on.
  bool wait = true;    // Until it has ended.
  runtime::Duration timeout = std::chrono::minutes(10);
};

struct RunsOptions {
  HeadChoice head;
};

struct ShowOptions {
  HeadChoice head;
  std::string run_id;
  std::string fetch;  // Folder for its files; empty: none are wanted.
};

struct LeaveOptions {
  HeadChoice head;
  std::string node;  // A worker's name or id, or a machine's name; empty: this machine's.
  runtime::Duration timeout = std::chrono::minutes(2);
};

struct EvaluateOptions {
  std::string model;   // A TorchScript file, or a run's folder.
  std::string source;  // As data.source; empty: that of the run.
  std::string dir;     // As data.dir; empty: not given.
};

struct BenchAllreduceOptions {
  std::uint32_t workers = 4;
  std::uint64_t elements = 1'000'000;  // Floats.
  actors::TransportName transport = actors::TransportName::kAuto;
  std::uint32_t repeats = 20;
};

struct VersionOptions {};

struct HelpOptions {
  std::string text;       // To print.
  bool is_error = false;  // Nothing was asked for: stderr, exit 2.
};

struct Command {
  std::string verb;
  OutputOptions output;
  std::variant<RunOptions, HeadOptions, JoinOptions, StatusOptions, CheckOptions, DownOptions,
               StopOptions, RunsOptions, ShowOptions, LeaveOptions, BenchAllreduceOptions,
               VersionOptions, HelpOptions, EvaluateOptions>
      options;
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_OPTIONS_H_
