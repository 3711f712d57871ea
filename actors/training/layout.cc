#include <vector>

#include "actors/training/trainer.h"
#include "runtime/base/hash.h"

namespace actors {

std::uint64_t Layout::Hash() const {
  std::vector<std::uint64_t> words = {trainable, total, entries.size()};
  for (const LayoutEntry& entry : entries) {
    words.push_back(runtime::HashText(entry.name));
    words.push_back(entry.shape.size());
    words.insert(words.end(), entry.shape.begin(), entry.shape.end());
    words.push_back(entry.offset);
  }
  if (file_hash != 0) words.push_back(file_hash);
  return runtime::HashBytes(words.data(), words.size() * sizeof(words[0]));
}

}  // namespace actors
