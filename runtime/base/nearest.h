// "Did you mean ...?": the known word nearest to one that is not known. Pure.
#ifndef RONDO_RUNTIME_BASE_NEAREST_H_
#define RONDO_RUNTIME_BASE_NEAREST_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace runtime {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
// string alignment), without regard to ASCII case.
std::size_t EditDistance(std::string_view a, std::string_view b);

// The nearest of `known` to `word`, the first of equals; empty if none is near enough to be what
// was meant (more than a third of the letters would have to change).
std::string Nearest(std::string_view word, const std::vector<std::string>& known);

// "did you mean NEAREST?", or `otherwise` if none is near.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& known,
                       std::string_view otherwise = "");

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_NEAREST_H_
