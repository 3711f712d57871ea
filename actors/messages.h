// What a monitor and its workers say to one another, as plain structs.
//
// schema/training.capnp says who sends what and when; the field comments stand there. Decode checks
// every range, so that whoever holds one of these structs may trust it. Non-finite floats of a
// state, a loss or a committed drift pass: the monitor names the worker they came from.
#ifndef RONDO_ACTORS_MESSAGES_H_
#define RONDO_ACTORS_MESSAGES_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/averaging/drift_kernel_table.h"
#include "actors/averaging/local_state.h"
#include "actors/training/prediction_counts.h"
#include "runtime/actor/protocol.h"
#include "runtime/base/hash.h"
#include "runtime/base/ids.h"
#include "runtime/collective/ring.h"
#include "runtime/group/fence.h"
#include "runtime/net/traffic.h"
#include "schema/moments.capnp.h"
#include "schema/recovery.capnp.h"
#include "schema/training.capnp.h"

namespace actors {

// Bounds on what a message may hold; a peer that exceeds them is refused, not obeyed.
inline constexpr std::uint32_t kMaxMembers = 64;
inline constexpr std::uint64_t kMaxModelFloats = 1ull << 33;
inline constexpr std::size_t kMaxStateFloats = 200'000;
inline constexpr std::size_t kMaxModelPartBytes = 512 * 1024;
inline constexpr std::size_t kMaxSampleDimensions = 8;
inline constexpr std::size_t kMaxClasses = 4096;
inline constexpr double kMaxSeconds = 1e8;  // Three years.

struct Nothing {
  using Wire = schema::Nothing;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Nothing> Decode(Wire::Reader wire);
};

struct ReadyToRun {
  using Wire = schema::ReadyToRun;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<ReadyToRun> Decode(Wire::Reader wire);

  std::uint64_t layout_hash = 0;
  std::uint64_t trainable = 0;
  std::uint64_t total = 0;
  runtime::Hash128 base_root;
  std::uint64_t data_fingerprint = 0;
  std::uint64_t train_samples = 0;
  std::uint64_t test_samples = 0;
  runtime::RingEndpoint endpoint;
  runtime::RingEndpoint transfer;
  std::vector<std::uint32_t> sample_shape;
  std::vector<std::uint64_t> samples_by_class;
  std::uint64_t committed = 0;
};

struct Assign {
  using Wire = schema::Assign;
  using Reply = ReadyToRun;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Assign> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
  std::uint32_t head_epoch = 0;
  std::uint32_t slot = 0;
  std::string config;  // TOML, resolved.
  runtime::ActorId monitor{};
};

struct Member {
  runtime::NodeId node;
  std::uint32_t slot = 0;
  float weight = 1;
  runtime::RingEndpoint endpoint;
};

struct Pulled {
  using Wire = schema::Pulled;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Pulled> Decode(Wire::Reader wire);

  runtime::Hash128 root;
  std::string failure;
  std::string fresh_moments;
};

struct PullBase {
  using Wire = schema::PullBase;
  using Reply = Pulled;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<PullBase> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
  runtime::Hash128 root;
  std::vector<Member> donors;
  double seconds = 0;
  bool keep_drift = false;
};

struct Loan {
  using Wire = schema::Loan;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Loan> Decode(Wire::Reader wire);

  runtime::Hash128 root;
  std::uint64_t floats = 0;
};

// A member that does not lend within this time is not waited for.
inline constexpr std::chrono::seconds kLendTimeout{2};
struct LendMoments {
  using Wire = schema::LendMoments;
  using Reply = Loan;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<LendMoments> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
};

struct Recovered {
  using Wire = schema::Recovered;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Recovered> Decode(Wire::Reader wire);

  // Ring that the worker has completed without hearing what became of it.
  struct InDoubt {
    runtime::Fence fence;
    runtime::Hash128 root;
  };
  bool in_run = false;
  ReadyToRun ready;
  std::uint32_t slot = 0;
  runtime::RoundId round{0};
  std::uint64_t step = 0;
  std::optional<InDoubt> in_doubt;
};

struct Recover {
  using Wire = schema::Recover;
  using Reply = Recovered;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Recover> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
  std::uint32_t head_epoch = 0;
  runtime::ActorId monitor{};
};

struct Resolve {
  using Wire = schema::Resolve;
  using Reply = Nothing;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Resolve> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
  bool committed = false;
};

struct Leave {
  using Wire = schema::Leave;
  using Reply = Nothing;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Leave> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
};

struct Drain {
  using Wire = schema::Drain;
  void Encode(Wire::Builder) const {}
  static absl::StatusOr<Drain> Decode(Wire::Reader) { return Drain{}; }
};

enum class RingPurpose : std::uint8_t { kSynchronize, kEvaluate };

struct Decision {
  using Wire = schema::Decision;
  static constexpr runtime::Traffic kTraffic = runtime::Traffic::kDecision;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Decision> Decode(Wire::Reader wire);

  runtime::Fence fence;
  std::uint64_t number = 0;
  std::uint64_t sequence = 0;
  std::uint64_t step = 0;
  bool poll = false;
  double xhat = 0;
  double quantum = 0;
};

struct OpenView {
  std::vector<Member> members;  // By slot.
  std::uint64_t synchronized_step = 0;
  bool hold = false;
  std::uint64_t sequence = 0;
};
struct Prepare {
  RingPurpose purpose = RingPurpose::kSynchronize;
  bool train_on = false;
};
struct Start {
  RingPurpose purpose = RingPurpose::kSynchronize;
  std::vector<Member> members;  // In ring order.
};
struct Commit {
  runtime::Hash128 root;
  bool then_evaluate = false;
  bool then_wait = false;
  std::uint64_t sequence = 0;
  double quantum = 0;
  std::uint64_t max_interval = 0;
};
struct AbortAttempt {
  std::string reason;
};
struct EvaluateMean {};
struct Finish {
  bool save_model = false;
};

struct Order {
  using Wire = schema::Order;
  using Body = std::variant<OpenView, Prepare, Start, Commit, AbortAttempt, EvaluateMean, Finish>;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Order> Decode(Wire::Reader wire);

  runtime::Fence fence;
  std::uint64_t number = 0;
  std::uint64_t step = 0;
  Body body;
};

struct StateReport {
  using Wire = schema::StateReport;
  static constexpr runtime::Traffic kTraffic = runtime::Traffic::kState;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<StateReport> Decode(Wire::Reader wire);

  runtime::Fence fence;
  std::uint64_t number = 0;
  std::uint64_t sequence = 0;
  std::uint64_t step = 0;
  LocalState state;
  bool due = false;
};

// How a member's drift lay to the mean of a committed round.
struct CommittedDrift {
  std::uint64_t round = 0;  // Synchronizations, this one included.
  DriftReading reading;
  // Of the drift as it was at the commit, for a worker that trained on until then.
  double squared_end = 0;
  double projection_end = 0;
};
struct Ready {
  RingPurpose purpose = RingPurpose::kSynchronize;
  std::uint64_t step = 0;
  float weight = 1;
  runtime::Hash128 root;
  double loss = 0;
  PredictionCounts predictions;
  std::optional<CommittedDrift> drift;
};
struct Done {
  runtime::Hash128 root;
  double seconds = 0;
  runtime::Ledger sent;
};
inline constexpr char kRingFailed[] = "RING_FAILED";
inline constexpr char kRingCorrupt[] = "RING_CORRUPT";
struct Fail {
  // Of this attempt at the ring only: the worker itself can go on.
  bool of_ring() const { return code == kRingFailed || code == kRingCorrupt; }

  std::string code;
  std::string message;
};
struct Evaluated {
  std::uint64_t correct = 0;
  std::uint64_t samples = 0;
  double loss_sum = 0;
};
struct Finished {
  runtime::Ledger sent;
  runtime::Drops dropped;
  double compute_seconds = 0;
  double wait_seconds = 0;
  double ring_seconds = 0;
  double evaluate_seconds = 0;
  std::uint64_t samples = 0;
  PredictionCounts predictions;
};

struct Answer {
  using Wire = schema::Answer;
  using Body = std::variant<Ready, Done, Fail, Evaluated, Finished>;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Answer> Decode(Wire::Reader wire);

  runtime::Fence fence;
  std::uint64_t number = 0;
  Body body;
};

struct MemberStatusReply {
  using Wire = schema::MemberStatusReply;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<MemberStatusReply> Decode(Wire::Reader wire);

  std::uint64_t last_answer = 0;
};

struct MemberStatus {
  using Wire = schema::MemberStatus;
  using Reply = MemberStatusReply;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<MemberStatus> Decode(Wire::Reader wire);

  runtime::Fence fence;
  std::uint64_t last_order = 0;
  std::uint64_t last_answer = 0;
  std::uint64_t step = 0;
  runtime::Drops dropped;
  float drift_squared = 0;
  runtime::Ledger sent;
  std::uint64_t samples = 0;
  PredictionCounts predictions;
  bool orphan = false;
  std::uint32_t ring_received = 0;
  std::uint32_t ring_for_next = 0;
  double step_seconds = 0;
};

struct ModelPart {
  using Wire = schema::ModelPart;
  using Reply = Nothing;
  static constexpr runtime::Traffic kTraffic = runtime::Traffic::kCheckpoint;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<ModelPart> Decode(Wire::Reader wire);

  std::uint64_t run = 0;
  std::uint64_t offset = 0;
  std::vector<std::uint8_t> data;
  bool last = false;
};

using WorkerProtocol =
    runtime::Protocol<Assign, Recover, Resolve, PullBase, LendMoments, Drain, Decision, Order>;
using MonitorProtocol = runtime::Protocol<StateReport, Answer, MemberStatus, Leave, ModelPart>;

// The kind of actor that the head starts on every node of that role, and its name there.
inline constexpr char kWorkerKind[] = "worker";
inline constexpr char kWorkerRole[] = "worker";
inline constexpr char kWorkerName[] = "worker";

}  // namespace actors

#endif  // RONDO_ACTORS_MESSAGES_H_
