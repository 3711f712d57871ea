#include "runtime/actor/mailbox.h"

#include <absl/strings/str_cat.h>

#include <utility>

namespace runtime {
namespace {

// Letters of the control lane after which one of the data lane has its turn.
constexpr std::size_t kControlStreak = 64;

std::size_t BytesOf(const Letter& letter) {
  const auto* frame = std::get_if<FrameLetter>(&letter.content);
  return sizeof(Letter) + (frame != nullptr ? frame->frame.size() * sizeof(std::uint64_t) : 0);
}

}  // namespace

void Mailbox::AddDataTypes(std::span<const std::uint64_t> types) {
  MutexLock lock(mutex_);
  data_types_.insert(types.begin(), types.end());
}

bool Mailbox::IsData(const Letter& letter) const {
  const auto* frame = std::get_if<FrameLetter>(&letter.content);
  if (frame == nullptr) return false;
  const Envelope& envelope = frame->reader->envelope();
  const bool awaited =
      envelope.kind == EnvelopeKind::kAnswer || envelope.kind == EnvelopeKind::kFailure;
  return !awaited && data_types_.contains(envelope.type);
}

absl::Status Mailbox::Push(Letter letter) {
  const std::size_t bytes = BytesOf(letter);
  {
    MutexLock lock(mutex_);
    if (closed_) return absl::CancelledError("the node has stopped");
    if (IsData(letter)) {
      if (data_load_ + bytes > limits_.data_bytes) {
        return absl::ResourceExhaustedError(
            absl::StrCat("the data lane is full: ", data_load_, " bytes wait"));
      }
      data_load_ += bytes;
      data_.push_back({std::move(letter), bytes});
    } else {
      Load& load = control_load_[letter.source];
      if (load.letters + 1 > limits_.control_letters ||
          load.bytes + bytes > limits_.control_bytes) {
        return absl::InternalError(absl::StrCat("flood: ", load.letters, " control messages (",
                                                load.bytes, " bytes) of node ",
                                                letter.source.ShortName(), " wait"));
      }
      load.letters += 1;
      load.bytes += bytes;
      control_.push_back({std::move(letter), bytes});
    }
  }
  changed_.NotifyOne();
  return absl::OkStatus();
}

Letter Mailbox::PopControl() {
  Waiting waiting = std::move(control_.front());
  control_.pop_front();
  const auto load = control_load_.find(waiting.letter.source);
  load->second.letters -= 1;
  load->second.bytes -= waiting.bytes;
  // Sources come and go; an empty entry would stay for ever.
  if (load->second.letters == 0) control_load_.erase(load);
  ++control_streak_;
  return std::move(waiting.letter);
}

Letter Mailbox::PopData() {
  Waiting waiting = std::move(data_.front());
  data_.pop_front();
  data_load_ -= waiting.bytes;
  control_streak_ = 0;
  return std::move(waiting.letter);
}

std::optional<Letter> Mailbox::Pop() {
  MutexLock lock(mutex_);
  const bool data_turn = control_.empty() || control_streak_ >= kControlStreak;
  if (data_turn && !data_.empty()) return PopData();
  if (!control_.empty()) return PopControl();
  return std::nullopt;
}

void Mailbox::WaitUntil(Time deadline) {
  MutexLock lock(mutex_);
  while (control_.empty() && data_.empty() && !interrupted_ &&
         std::chrono::steady_clock::now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  interrupted_ = false;
}

void Mailbox::Interrupt() {
  {
    MutexLock lock(mutex_);
    interrupted_ = true;
  }
  changed_.NotifyOne();
}

void Mailbox::Close() {
  // Destroyed outside of the lock: a closure that waits may hold anything, even a Poster.
  std::deque<Waiting> control;
  std::deque<Waiting> data;
  MutexLock lock(mutex_);
  closed_ = true;
  control.swap(control_);
  data.swap(data_);
  control_load_.clear();
  data_load_ = 0;
}

}  // namespace runtime
