#include "runtime/base/nearest.h"

#include <algorithm>
#include <cctype>

namespace runtime {
namespace {

// Words longer than this are no typing errors; the bound keeps hostile input cheap.
constexpr std::size_t kLongestWord = 64;

char Lower(char letter) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b) {
  // Row i holds the distances of a's first i letters to each prefix of b.
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
                           Lower(a[i - 2]) == Lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string Nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > kLongestWord) return "";
  std::string nearest;
  std::size_t nearest_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance >= nearest_distance) continue;
    nearest = candidate;
    nearest_distance = distance;
  }
  return nearest;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& known,
                       std::string_view otherwise) {
  const std::string nearest = Nearest(word, known);
  return nearest.empty() ? std::string(otherwise) : "did you mean " + nearest + "?";
}

}  // namespace runtime
