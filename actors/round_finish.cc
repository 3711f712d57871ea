// How a run ends: FINISH to all, the model from one of them, the last words of each.
#include <algorithm>

#include "actors/round.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

using runtime::Time;

// The last words of the members are worth this long a wait, not more.
constexpr runtime::Duration kFinishTimeout = std::chrono::seconds(3);
// A run that ended well may have a large model to send to the head.
constexpr runtime::Duration kSaveTimeout = std::chrono::seconds(60);

}  // namespace

RoundActions Round::Fail(const absl::Status& why, Time now) {
  REQUIRE(!why.ok());
  RoundActions actions;
  if (phase_ != Phase::kEnded && phase_ != Phase::kFinishing) BeginFinish(why, now, actions);
  return actions;
}

void Round::BeginFinish(const absl::Status& status, Time now, RoundActions& actions) {
  phase_ = Phase::kFinishing;
  result_ = status;
  have_.assign(members_.size(), false);
  gone_.assign(members_.size(), false);
  saver_ = 0;
  SendFinish(now, actions);
}

void Round::SendFinish(Time now, RoundActions& actions) {
  deadline_ = now + (result_.ok() ? kSaveTimeout : kFinishTimeout);
  const Order order = NewOrder(Finish{});
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    SendOrder send{.rank = rank, .order = order};
    std::get<Finish>(send.order.body).save_model = rank == saver_;
    actions.push_back(std::move(send));
  }
}

RoundActions Round::OnFinished(std::uint32_t rank, const runtime::Fence& fence,
                               const Finished& finished) {
  // Who has become the saver may have finished as one that was not, just before.
  const bool before_it_saves = rank == saver_ && fence != fence_;
  if (phase_ != Phase::kFinishing || have_[rank] || before_it_saves) {
    ++stale_;
    return {};
  }
  finished_[rank] = finished;
  if (!IsComplete(rank)) return {};
  phase_ = Phase::kEnded;
  return {Ended{.status = result_}};
}

RoundActions Round::FinishWithout(const std::vector<bool>& lost, Time now) {
  const bool model_lost = lost[saver_] && !have_[saver_];
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (lost[rank]) have_[rank] = gone_[rank] = true;
  }
  // All are told anew, so that all count the same orders; who has finished has the model still.
  while (model_lost && ++saver_ < members_.size()) {
    if (gone_[saver_]) continue;
    have_[saver_] = false;
    ++fence_.attempt;
    RoundActions actions;
    SendFinish(now, actions);
    return actions;
  }
  saver_ = std::min<std::uint32_t>(saver_, members_.size() - 1);
  if (!std::ranges::all_of(have_, [](bool done) { return done; })) return {};
  phase_ = Phase::kEnded;
  return {Ended{.status = result_}};
}

}  // namespace actors
