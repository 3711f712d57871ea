// Closures that wait for a point in time. One thread.
#ifndef RONDO_RUNTIME_ACTOR_TIMER_QUEUE_H_
#define RONDO_RUNTIME_ACTOR_TIMER_QUEUE_H_

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "runtime/base/clock.h"

namespace runtime {

// `Owner` says to whom a closure belongs, so that all of one owner's can be cancelled.
template <typename Owner>
class TimerQueue {
 public:
  struct Due {
    Time when;
    Owner owner;
    absl::AnyInvocable<void()> then;
  };

  // A number that was never used before, from 1.
  std::uint64_t Add(Time when, Owner owner, absl::AnyInvocable<void()> then) {
    const std::uint64_t id = next_id_++;
    waiting_.emplace(Key{when, id}, Due{when, owner, std::move(then)});
    times_.emplace(id, when);
    return id;
  }

  // Of a timer that fired or was cancelled: nothing happens.
  void Cancel(std::uint64_t id) {
    const auto found = times_.find(id);
    if (found == times_.end()) return;
    // Destroyed last: a closure's destructor may come back here.
    const auto doomed = waiting_.extract(Key{found->second, id});
    times_.erase(found);
  }

  void CancelAllOf(const Owner& owner) {
    std::map<Key, Due> doomed;
    for (auto timer = waiting_.begin(); timer != waiting_.end();) {
      const auto next = std::next(timer);
      if (timer->second.owner == owner) {
        times_.erase(timer->first.second);
        doomed.insert(waiting_.extract(timer));
      }
      timer = next;
    }
  }

  void Clear() {
    std::map<Key, Due> doomed;
    doomed.swap(waiting_);
    times_.clear();
  }

  std::optional<Time> Next() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.begin()->first.first;
  }

  // The number that the next timer will have.
  std::uint64_t next_id() const { return next_id_; }

  // The earliest of those whose time has come and whose number is below `limit`; equal times in the
  // order of Add.
  std::optional<Due> PopDue(Time now, std::uint64_t limit) {
    if (waiting_.empty()) return std::nullopt;
    const auto& [when, id] = waiting_.begin()->first;
    if (when > now || id >= limit) return std::nullopt;
    auto node = waiting_.extract(waiting_.begin());
    times_.erase(node.key().second);
    return std::move(node.mapped());
  }

 private:
  using Key = std::pair<Time, std::uint64_t>;

  std::uint64_t next_id_ = 1;
  std::map<Key, Due> waiting_;
  absl::flat_hash_map<std::uint64_t, Time> times_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_TIMER_QUEUE_H_
