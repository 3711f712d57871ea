// rondo-worker: one worker process. Joins a head, is given its worker actor by it, and trains.
//
// Started by `rondo run` and `rondo join`, which set OPENBLAS_NUM_THREADS and OMP_NUM_THREADS
// before it starts. Its errors go to stderr, which is its log.
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "actors/run_options.h"
#include "actors/training/blas.h"
#include "actors/training/make_trainer.h"
#include "actors/worker.h"
#include "apps/rondo-worker/questions.h"
#include "runtime/actor/node.h"
#include "runtime/actor/node_thread.h"
#include "runtime/actor/thread_executor.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/base/status.h"
#include "runtime/collective/zmq_ring.h"
#include "runtime/collective/zmq_transfer.h"
#include "runtime/net/address.h"
#include "runtime/net/frame.h"
#include "runtime/net/zmq_transport.h"

namespace apps {
namespace {

constexpr runtime::Duration kStopTimeout = std::chrono::seconds(3);

struct Options {
  std::string head;
  std::string name = "worker";
  std::string folder = ".";
  std::optional<std::uint32_t> slot;
  std::string advertise;
  std::string ring_ports;
  // Which part of its node's own data is this worker's.
  std::uint32_t part = 0;
  std::uint32_t parts = 1;
  double timeout = 30;  // Seconds to join.
};

// The first asks for an orderly leave, the second is obeyed at once.
std::atomic<int> stop_signal{0};
void OnSignal(int signal) {
  if (stop_signal.exchange(signal) != 0) _exit(128 + signal);
}

// What whoever started this process allows: run.threads of an embedded run, else --threads of
// `rondo join`, because each machine has cores of its own.
std::uint32_t ComputeThreads() {
  const char* const text = std::getenv("OMP_NUM_THREADS");
  std::uint32_t threads = 0;
  return text != nullptr && absl::SimpleAtoi(text, &threads) && threads >= 1 ? threads : 1;
}

// Where others reach us; the ring and the transfer each take a port of it.
absl::StatusOr<runtime::ListenOptions> ListenOptionsOf(const Options& options,
                                                       const std::string& local_host) {
  runtime::ListenOptions listen{.host = local_host, .advertised_host = local_host};
  if (!options.advertise.empty()) {
    ASSIGN_OR_RETURN(listen.advertised_host, runtime::ParseHost(options.advertise));
  }
  if (!options.ring_ports.empty()) {
    ASSIGN_OR_RETURN(const runtime::PortRange ports, runtime::ParsePortRange(options.ring_ports));
    listen.first_port = ports.first;
    listen.last_port = ports.last;
  }
  return listen;
}

runtime::NodeOptions NodeOptionsOf(const Options& options, runtime::NodeId id,
                                   const std::string& host_key, const std::string& ring,
                                   const std::string& transfer, const runtime::Logger& log) {
  // The head connects back to the last two.
  nlohmann::json details{
      {"pid", getpid()}, {"host_key", host_key}, {"ring", ring}, {"transfer", transfer}};
  if (options.slot.has_value()) details["slot"] = *options.slot;
  return {
      .id = id,
      .name = options.name,
      .role = "worker",
      .details = details.dump(),
      .log = log,
      .join_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(options.timeout * 1000)),
      .end_when_head_is_lost = false,
      .rejoin = true};
}

absl::Status RunWorker(const Options& options) {
  ASSIGN_OR_RETURN(const runtime::Address head, runtime::ParseConnectAddress(options.head));
  ASSIGN_OR_RETURN(const std::string local_host, runtime::LocalAddressTowards(head));
  ASSIGN_OR_RETURN(const std::string host_key, runtime::HostKey());
  const runtime::Logger log = runtime::Logger::ToStderr(runtime::LogLevel::kInfo);
  if (const std::string slow = actors::LimitBlasThreads(); !slow.empty()) {
    log.Warning("blas", {{"why", slow}});
  }
  const runtime::NodeId id = runtime::RandomNodeId();
  const runtime::SteadyClock clock;
  runtime::ZmqTransport transport(
      {.self = id, .role = runtime::ZmqTransportOptions::Role::kConnect, .address = head});
  ASSIGN_OR_RETURN(const runtime::ListenOptions listen, ListenOptionsOf(options, local_host));
  ASSIGN_OR_RETURN(const auto ring, runtime::ZmqRing::Create({.node = id, .listen = listen}));
  ASSIGN_OR_RETURN(const auto transfer, runtime::ZmqTransfer::Create(
                                            {.node = id, .listen = listen, .silent_visits = 1}));

  runtime::Node node(
      NodeOptionsOf(options, id, host_key, ring->endpoint().tcp, transfer->endpoint().tcp, log),
      clock, transport);
  // After the node, so that no task outlives what it works on.
  runtime::ThreadExecutor training(
      {.thread_name = "rondo-training",
       .on_failure = [&node](const absl::Status& why) { node.RequestEnd(why); }});
  actors::TrainerFactory make_trainer = [&options](const actors::RunConfig& config) {
    actors::TrainingOptions training_options = actors::TrainingOptionsOf(config);
    training_options.threads = ComputeThreads();
    training_options.data.node = options.name;
    training_options.data.part = options.part;
    training_options.data.parts = options.parts;
    return actors::MakeTrainer(training_options);
  };
  node.RegisterKind(actors::kWorkerKind, [&] {
    return std::make_unique<actors::Worker>(
        actors::WorkerParts{.ring = *ring,
                            .transfer = *transfer,
                            .training = training,
                            .make_trainer = make_trainer,
                            .clock = clock,
                            .sent =
                                [&transport, &ring, &transfer] {
                                  runtime::Ledger sent = transport.SentBytes();
                                  sent += ring->SentBytes();
                                  sent += transfer->SentBytes();
                                  return sent;
                                },
                            .dropped =
                                [&node, &ring, &transfer] {
                                  runtime::Drops drops = node.Dropped();
                                  drops += ring->Dropped();
                                  drops += transfer->Dropped();
                                  return drops;
                                },
                            .leave_requested = [] { return stop_signal.load() != 0; },
                            .folder = options.folder,
                            .quit = [&node](const absl::Status& why) { node.RequestEnd(why); },
                            .head_may_return = true});
  });
  runtime::NodeThread thread(node);
  RETURN_IF_ERROR(thread.Start());
  // A node that has not joined yet has nothing to leave.
  const absl::Status ended =
      thread.RunUntil([&node] { return stop_signal.load() != 0 && !node.IsJoined(); });
  const absl::Status stopped = thread.Stop(kStopTimeout);
  return ended.ok() ? stopped : ended;
}

// What `rondo check` asks: one JSON object on stdout.
int TellOfOurselves() {
  const nlohmann::json json{{"protocol", runtime::kProtocolVersion},
                            {"schema", runtime::SchemaFingerprint()},
                            {"blas_warning", actors::LimitBlasThreads()}};
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

int Main(int argc, char** argv) {
  Options options;
  bool check = false;
  std::string describe, evaluate;
  CLI::App app("One worker process of a Rondo cluster; started by rondo run and rondo join.");
  app.add_option("--head", options.head, "HOST:PORT of the head");
  app.add_flag("--check", check, "tell version and BLAS, and end");
  app.add_option("--describe", describe, "tell the size of the model of this config, and end");
  app.add_option("--evaluate", evaluate, "test the model file of this config, and end");
  app.add_option("--name", options.name, "what people call this worker");
  app.add_option("--folder", options.folder, "where scratch files go");
  app.add_option("--slot", options.slot, "the slot that this worker wishes for");
  app.add_option("--advertise", options.advertise,
                 "host that the ring neighbours connect to, where it is not ours");
  app.add_option("--port-range", options.ring_ports, "A-B, for the ring's port and the transfer's");
  app.add_option("--part", options.part, "of a node's own data that this worker trains on, from 0");
  app.add_option("--parts", options.parts, "into which the node's workers share its data out");
  app.add_option("--timeout", options.timeout, "seconds to join within");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(runtime::Exit::kUsage);
  }
  if (check) return TellOfOurselves();
  if (!describe.empty()) return DescribeModel(describe, ComputeThreads());
  if (!evaluate.empty()) return EvaluateModel(evaluate, ComputeThreads());
  if (options.head.empty()) {
    std::fprintf(stderr, "rondo-worker needs --head HOST:PORT\n");
    return static_cast<int>(runtime::Exit::kUsage);
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, OnSignal);
  std::signal(SIGINT, OnSignal);
  const absl::Status ended = RunWorker(options);
  if (ended.ok()) return 0;
  const runtime::UserError error = runtime::ToUserError(ended);
  // The head ended in order, with nothing left to do here.
  if (error.code == "HEAD_STOPPED") return 0;
  std::fprintf(stderr, "error[%s]: %s\n", error.code.c_str(), error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "  hint: %s\n", error.hint.c_str());
  return static_cast<int>(error.exit);
}

}  // namespace
}  // namespace apps

int main(int argc, char** argv) { return apps::Main(argc, argv); }
