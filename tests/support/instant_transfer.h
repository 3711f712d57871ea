// Transfers in a simulation that take a while and then happen at once. One thread.
#ifndef RONDO_TESTS_SUPPORT_INSTANT_TRANSFER_H_
#define RONDO_TESTS_SUPPORT_INSTANT_TRANSFER_H_

#include <absl/status/status.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "runtime/collective/transfer.h"
#include "runtime/sim/scheduler.h"

namespace tests {

class InstantTransfer;
using InstantTransfers = std::map<runtime::NodeId, InstantTransfer*>;

class InstantTransfer final : public runtime::Transfer {
 public:
  InstantTransfer(runtime::NodeId self, InstantTransfers& all, runtime::sim::Scheduler& scheduler,
                  runtime::Duration longest)
      : self_(self), all_(all), scheduler_(scheduler), longest_(longest) {
    all_[self] = this;
  }
  ~InstantTransfer() override { all_.erase(self_); }

  runtime::RingEndpoint endpoint() const override { return {.tcp = "sim://" + self_.ToString()}; }
  void Offer(runtime::TransferOffer offer) override { offer_ = std::move(offer); }
  void Fetch(runtime::TransferJob job, Done done) override {
    const auto longest = static_cast<std::uint64_t>(longest_.count());
    const runtime::Duration takes(
        static_cast<runtime::Duration::rep>(scheduler_.random().Below(longest + 1)));
    scheduler_.Schedule(takes, [this, alive = std::weak_ptr<const bool>(alive_),
                                job = std::move(job), done = std::move(done)]() mutable {
      if (alive.expired()) return;
      for (const runtime::TransferDonor& donor : job.donors) {
        const auto found = all_.find(donor.node);
        if (found == all_.end() || found->second->offer_.root != job.root) continue;
        std::ranges::copy(found->second->offer_.floats, job.into.begin());
        done(runtime::TransferResult{.bytes = job.into.size_bytes()});
        return;
      }
      done(absl::NotFoundError("no donor holds that base any more"));
    });
  }

 private:
  const runtime::NodeId self_;
  InstantTransfers& all_;
  runtime::sim::Scheduler& scheduler_;
  const runtime::Duration longest_;
  runtime::TransferOffer offer_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_INSTANT_TRANSFER_H_
