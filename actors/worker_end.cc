// How a worker leaves a run: orderly, with the others, or because its head is gone.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

#include "actors/worker.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

constexpr runtime::Duration kModelPartTimeout = std::chrono::seconds(10);
// A round in flight may have to end first; the ring's own deadline is shorter.
constexpr runtime::Duration kLeaveTimeout = std::chrono::seconds(60);

}  // namespace

void Worker::Obey(const Finish& finish, const Order& order) {
  run_->ending = true;
  run_->halt = true;
  if (run_->ringing.has_value()) parts_.ring.Abort(*run_->ringing);
  if (!finish.save_model) {
    SendFinished();
    return;
  }
  const std::string path = absl::StrCat(parts_.folder, "/model-", run_->fence.run, ".pt");
  parts_.training.Run([this, run = run_, path, poster = context_->poster()] {
    absl::Status saved = run->replica->SaveBase(path);
    poster.Post([this, run, path, saved = std::move(saved)] {
      if (run != run_) return;
      if (saved.ok()) {
        SendModel(path, 0);
      } else {
        SendAnswer(Fail{.code = "MODEL_NOT_SAVED", .message = runtime::MessageOf(saved)});
        SendFinished();
      }
    });
  });
}

void Worker::SendModel(const std::string& path, std::uint64_t offset) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  ModelPart part{.run = run_->fence.run, .offset = offset};
  part.data.resize(kMaxModelPartBytes);
  file.read(reinterpret_cast<char*>(part.data.data()),
            static_cast<std::streamsize>(part.data.size()));
  part.data.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  part.last = part.data.size() < kMaxModelPartBytes;
  const bool last = part.last;
  const std::uint64_t next = offset + part.data.size();
  context_->Ask(run_->monitor, part, kModelPartTimeout,
                [this, run = run_, path, last, next](const absl::StatusOr<Nothing>& taken) {
                  if (run != run_) return;
                  if (taken.ok() && !last) {
                    SendModel(path, next);
                    return;
                  }
                  std::remove(path.c_str());
                  SendFinished();
                });
}

absl::Status Worker::On(runtime::Context& context, const Drain& drain) {
  RequestLeave();
  return absl::OkStatus();
}

void Worker::RequestLeave() {
  if (std::exchange(leaving_, true)) return;
  if (run_ == nullptr || run_->ending || run_->replica == nullptr) {
    Quit(absl::OkStatus());
    return;
  }
  // A head that does not answer in time, or is gone, must not keep the process.
  context_->Ask(run_->monitor, Leave{.run = run_->fence.run}, kLeaveTimeout,
                [this, run = run_](const absl::StatusOr<Nothing>&) {
                  run->halt = true;
                  run->ending = true;
                  Quit(absl::OkStatus());
                });
}

void Worker::SendFinished() {
  run_->totals.sent += SentInThisRun();
  run_->totals.dropped += DroppedInThisRun();
  SendAnswer(run_->totals);
  sent_before_ = parts_.sent();
  dropped_before_ = parts_.dropped();
}

absl::Status Worker::OnNodeDown(runtime::Context& context, runtime::NodeId node,
                                const absl::Status& why) {
  head_ = {};
  if (parts_.head_may_return && runtime::ToUserError(why).code == "HEAD_LOST") {
    OnHeadMissing(why);
    return absl::OkStatus();
  }
  if (run_ == nullptr || run_->ending || run_->replica == nullptr) {
    Quit(why);
    return absl::OkStatus();
  }
  run_->halt = true;
  run_->ending = true;
  if (run_->ringing.has_value()) parts_.ring.Abort(*run_->ringing);
  if (runtime::ToUserError(why).exit == Exit::kHeadUnreachable) {
    SaveBaseAndQuit(MakeError(
        "HEAD_LOST", Exit::kHeadUnreachable,
        absl::StrCat("the head went away in the middle of a run: ", runtime::MessageOf(why))));
  } else {
    Quit(why);  // The head lives and has let us go: the run goes on without us and our drift.
  }
  return absl::OkStatus();
}

// The smallest slot writes the last committed model where it stands: nobody else will.
void Worker::SaveBaseAndQuit(const absl::Status& why) {
  if (run_->rank != 0) {
    Quit(why);
    return;
  }
  const std::string path = absl::StrCat(parts_.folder, "/orphan-", run_->fence.run, ".pt");
  parts_.training.Run([this, run = run_, path, why, poster = context_->poster()] {
    absl::Status saved = run->replica->SaveBase(path);
    poster.Post([this, path, why, saved = std::move(saved)] {
      const runtime::UserError error = runtime::ToUserError(why);
      Quit(MakeError(error.code, error.exit,
                     saved.ok()
                         ? absl::StrCat(error.message, "; the last committed model is in ", path)
                         : absl::StrCat(error.message, "; the last committed model could ",
                                        "not be written: ", runtime::MessageOf(saved)),
                     error.hint));
    });
  });
}

void Worker::Quit(const absl::Status& why) {
  if (std::exchange(quitting_, true)) return;
  parts_.quit(why);
}

}  // namespace actors
