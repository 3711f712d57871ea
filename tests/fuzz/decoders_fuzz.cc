// Everything that reads bytes from outside, under libFuzzer: what it is given must be taken or
// refused, and never crash, hang or read where it may not (AddressSanitizer and
// UndefinedBehaviorSanitizer watch).
//
// The first byte of an input says which reader gets the rest. No fuzzer guesses an XXH3: checksums
// are mended first, or only one line of each reader would be seen. Seeds come from the encoders
// themselves, so that they always fit the schema:
//
//   fuzz_decoders FOLDER [-max_total_time=SECONDS]     FOLDER keeps what was found worth keeping
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "actors/client_messages.h"
#include "actors/journal_record.h"
#include "actors/messages.h"
#include "actors/run_config.h"
#include "runtime/actor/actor.h"
#include "runtime/actor/membership_messages.h"
#include "runtime/base/hash.h"
#include "runtime/collective/ring_message.h"
#include "runtime/collective/transfer_message.h"
#include "runtime/net/address.h"
#include "runtime/net/frame.h"
#include "runtime/net/note.h"

namespace tests {
namespace {

using runtime::Frame;
using runtime::FrameReader;
using Bytes = std::vector<std::uint8_t>;
using Input = std::span<const std::uint8_t>;

// Calls `visit` with one of each type of message.
template <typename... M, typename Visit>
void EachOf(const Visit& visit) {
  (visit(M{}), ...);
}
template <typename Visit>
void EachMessage(const Visit& visit) {
  EachOf<actors::Nothing, actors::ReadyToRun, actors::Assign, actors::Pulled, actors::PullBase,
         actors::Loan, actors::LendMoments, actors::Recovered, actors::Recover, actors::Resolve,
         actors::Leave, actors::Drain, actors::Decision, actors::Order, actors::StateReport,
         actors::Answer, actors::MemberStatusReply, actors::MemberStatus, actors::ModelPart>(visit);
  EachOf<actors::RunAccepted, actors::SubmitRun, actors::RunEventLine, actors::StopAccepted,
         actors::StopRun, actors::RunsReply, actors::RunsRequest, actors::FilePart,
         actors::FetchPart, actors::LeavingNodes, actors::LeaveNode, actors::StatusReply,
         actors::StatusRequest, actors::DownRequest, actors::ProcessExited>(visit);
  EachOf<runtime::membership::Join, runtime::membership::Welcome, runtime::membership::Refused,
         runtime::membership::Heartbeat, runtime::membership::HeartbeatAnswer,
         runtime::membership::Goodbye, runtime::membership::Evicted,
         runtime::membership::Registered, runtime::membership::RegisterName,
         runtime::membership::Resolved, runtime::membership::ResolveName,
         runtime::membership::Spawned, runtime::membership::SpawnActor>(visit);
}

// ------------------------------------------------------------------------------ control plane --

constexpr std::size_t kMostWords = 4096;

Frame FrameAround(Input message) {
  Frame frame(runtime::kFrameHeaderWords + std::min(message.size() / 8, kMostWords));
  const Frame example = runtime::BuildFrame({}, [](capnp::AnyPointer::Builder) {});
  frame[0] = example[0];
  frame[1] = example[1];
  frame[2] = frame.size() - runtime::kFrameHeaderWords;
  std::uint64_t* const body = frame.data() + runtime::kFrameHeaderWords;
  std::memcpy(body, message.data(), frame[2] * 8);
  const std::uint64_t parts[2] = {runtime::HashBytes(frame.data(), 3 * sizeof(std::uint64_t)),
                                  runtime::HashBytes(body, frame[2] * 8)};
  frame[3] = runtime::HashBytes(parts, sizeof(parts));
  return frame;
}

// As a node does: the envelope says what the body is.
void ReadFrame(Input input) {
  const Frame frame = FrameAround(input);
  if (runtime::CheckFrame(frame.data(), frame.size() * 8) != runtime::FrameFault::kNone) return;
  const auto reader = FrameReader::Open(frame);
  if (!reader.ok()) return;
  EachMessage([&](const auto& message) {
    using M = std::decay_t<decltype(message)>;
    if ((*reader)->envelope().type == runtime::TypeIdOf<M>()) {
      (void)runtime::Context::DecodeBody<M>(**reader);
    }
  });
}

void ReadUnsealedFrame(Input input) { (void)runtime::CheckFrame(input.data(), input.size()); }

void ReadNote(Input input) { (void)runtime::DecodeNote(std::as_bytes(input)); }

// --------------------------------------------------------------------------------- data plane --

// runtime/collective/sealed_message.h, with the magic and version of `example`.
std::vector<std::uint64_t> SealedAround(Input message, std::span<const std::byte> example) {
  std::vector<std::uint64_t> words(2 + message.size() / 8);
  std::memcpy(words.data(), example.data(), 6);
  words[0] |= std::uint64_t{words.size() - 2} << 48;
  std::memcpy(words.data() + 2, message.data(), (words.size() - 2) * 8);
  const std::uint64_t parts[2] = {words[0],
                                  runtime::HashBytes(words.data() + 2, (words.size() - 2) * 8)};
  words[1] = runtime::HashBytes(parts, sizeof(parts));
  return words;
}

void ReadRingMessage(Input input) {
  static runtime::RingEncoder encoder;
  static const auto example = encoder.Encode({.body = runtime::RingCredit{}});
  const std::vector<std::uint64_t> words = SealedAround(input, example);
  (void)runtime::DecodeRingMessage(std::as_bytes(std::span(words)));
}

void ReadTransferMessage(Input input) {
  static runtime::TransferEncoder encoder;
  static const auto example = encoder.Encode({.body = runtime::TransferNotHeld{}});
  const std::vector<std::uint64_t> words = SealedAround(input, example);
  (void)runtime::DecodeTransferMessage(std::as_bytes(std::span(words)));
}

// --------------------------------------------------------------------------------------- text --

std::string TextOf(Input input) { return {input.begin(), input.end()}; }

void ReadAddress(Input input) {
  const std::string text = TextOf(input);
  (void)runtime::ParseListenAddress(text);
  (void)runtime::ParseConnectAddress(text);
  (void)runtime::ParseHost(text);
  (void)runtime::ParsePortRange(text);
}

void ReadConfig(Input input) { (void)actors::ParseRunConfig(TextOf(input), "fuzz.toml"); }

// A line is JSON behind 16 hexadecimal digits of its hash.
void ReadJournalLine(Input input) {
  const std::string text = TextOf(input);
  (void)actors::ParseLine(text);
  std::array<char, 18> hash;
  std::snprintf(hash.data(), hash.size(), "%016llx ",
                static_cast<unsigned long long>(runtime::HashBytes(text.data(), text.size())));
  (void)actors::ParseLine(hash.data() + text);
}

constexpr void (*kReaders[])(Input) = {ReadFrame,       ReadUnsealedFrame,   ReadNote,
                                       ReadRingMessage, ReadTransferMessage, ReadAddress,
                                       ReadConfig,      ReadJournalLine};

// -------------------------------------------------------------------------------------- seeds --

class SeedFolder {
 public:
  explicit SeedFolder(std::string path) : path_(std::move(path)) {}

  void Add(std::uint8_t reader, const void* data, std::size_t bytes) {
    std::ofstream file(path_ + "/seed-" + std::to_string(seeds_++), std::ios::binary);
    file.put(static_cast<char>(reader));
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  }
  void Add(std::uint8_t reader, const std::string& text) { Add(reader, text.data(), text.size()); }

 private:
  const std::string path_;
  int seeds_ = 0;
};

template <typename M>
void AddFrame(const M& message, SeedFolder& seeds) {
  const Frame frame = runtime::BuildFrame(
      {.type = runtime::TypeIdOf<M>()},
      [&](capnp::AnyPointer::Builder body) { message.Encode(body.initAs<typename M::Wire>()); });
  seeds.Add(0, frame.data() + runtime::kFrameHeaderWords,
            (frame.size() - runtime::kFrameHeaderWords) * 8);
  seeds.Add(1, frame.data(), frame.size() * 8);
}

void AddMessages(SeedFolder& seeds) {
  EachMessage([&](const auto& message) { AddFrame(message, seeds); });
  for (const actors::Order::Body& body : std::initializer_list<actors::Order::Body>{
           actors::OpenView{.members = {{.slot = 1}, {.slot = 2}}}, actors::Prepare{},
           actors::Start{.members = {{.slot = 1}, {.slot = 2}}}, actors::Commit{},
           actors::AbortAttempt{.reason = "a reason"}, actors::EvaluateMean{},
           actors::Finish{.save_model = true}}) {
    AddFrame(actors::Order{.body = body}, seeds);
  }
  for (const actors::Answer::Body& body : std::initializer_list<actors::Answer::Body>{
           actors::Ready{},
           actors::Ready{.drift = actors::CommittedDrift{.round = 1, .reading = {1, 1, 1}}},
           actors::Done{}, actors::Fail{.code = "RING_FAILED"}, actors::Evaluated{},
           actors::Finished{}}) {
    AddFrame(actors::Answer{.body = body}, seeds);
  }
}

void AddDataPlane(SeedFolder& seeds) {
  const auto note = runtime::EncodeNote({});
  seeds.Add(2, note.data(), sizeof(note));
  runtime::RingEncoder ring;
  const auto add_ring = [&](const runtime::RingMessage& message) {
    const auto bytes = ring.Encode(message).subspan(16);
    seeds.Add(3, bytes.data(), bytes.size());
  };
  add_ring({.body = runtime::RingHello{}});
  add_ring({.body = runtime::RingCredit{.limit = 3}});
  add_ring({.body = runtime::ChunkHeader{.floats = 1}});
  runtime::TransferEncoder transfer;
  const auto add_transfer = [&](const runtime::TransferMessage& message) {
    const auto bytes = transfer.Encode(message).subspan(16);
    seeds.Add(4, bytes.data(), bytes.size());
  };
  add_transfer({.body = runtime::TransferRequest{.floats = 5}});
  add_transfer({.body = runtime::TransferChunk{.range = {.floats = 5}}});
  add_transfer({.body = runtime::TransferNotHeld{}});
}

void AddText(SeedFolder& seeds) {
  for (const char* text : {"127.0.0.1:7070", "[::1]:7070", "tcp://host:1", "ipc://@x", "7800-7899"})
    seeds.Add(5, text);
  seeds.Add(6, actors::ToToml(actors::RunConfig{}));
  for (const actors::JournalRecord& record : std::initializer_list<actors::JournalRecord>{
           actors::EpochRecord{.epoch = 1}, actors::AddressRecord{}, actors::RunRecord{},
           actors::ViewRecord{}, actors::CommitRecord{}, actors::CheckpointRecord{},
           actors::RollbackRecord{}, actors::EndRecord{}}) {
    const std::string line = actors::ToLine(record);
    seeds.Add(7, line);
    seeds.Add(7, line.substr(std::min<std::size_t>(17, line.size())));
  }
}

}  // namespace
}  // namespace tests

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  if (*count < 2 || (*arguments)[1][0] == '-') return 0;
  const std::string folder = (*arguments)[1];
  std::filesystem::create_directories(folder);
  tests::SeedFolder seeds(folder);
  tests::AddMessages(seeds);
  tests::AddDataPlane(seeds);
  tests::AddText(seeds);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  if (bytes == 0) return 0;
  // A copy of its own size, so that one byte too many is seen.
  const tests::Bytes rest(data + 1, data + bytes);
  tests::kReaders[data[0] % std::size(tests::kReaders)](rest);
  return 0;
}
