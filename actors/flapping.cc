#include "actors/flapping.h"

#include <algorithm>

namespace actors {

void Flapping::OnLost(const std::string& name, runtime::Duration stayed, runtime::Time now) {
  std::erase_if(books_, [now](const auto& entry) { return now - entry.second.last >= kMemory; });
  if (stayed >= kSteady) {
    books_.erase(name);
    return;
  }
  if (books_.size() >= kMostNames && !books_.contains(name)) {
    books_.erase(
        std::ranges::min_element(books_, {}, [](const auto& entry) { return entry.second.last; }));
  }
  Book& book = books_[name];
  ++book.losses;
  book.last = now;
}

runtime::Duration Flapping::HoldOf(const std::string& name, runtime::Time now) const {
  const auto found = books_.find(name);
  if (found == books_.end() || found->second.losses < kFree) return {};
  runtime::Duration hold = std::chrono::seconds(1);
  for (int i = kFree; i < found->second.losses && hold < kLongestHold; ++i) hold *= 2;
  return std::max(found->second.last + std::min(hold, kLongestHold) - now, runtime::Duration{});
}

int Flapping::LossesOf(const std::string& name) const {
  const auto found = books_.find(name);
  return found == books_.end() ? 0 : found->second.losses;
}

}  // namespace actors
