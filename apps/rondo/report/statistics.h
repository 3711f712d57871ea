// Orders of small samples. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_STATISTICS_H_
#define RONDO_APPS_RONDO_REPORT_STATISTICS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace apps::report {

// Linear between neighbours, as numpy's default. `sorted` rises and is not empty; 0 <= share <= 1.
inline double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

struct Summary {
  double median = 0;
  double low = 0;   // The least.
  double high = 0;  // The greatest.
  std::size_t count = 0;
};

// Of what is finite; none if nothing is.
inline std::optional<Summary> Summarize(std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(),
                              [](double value) { return !std::isfinite(value); }),
               values.end());
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Summary{Quantile(values, 0.5), values.front(), values.back(), values.size()};
}

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_STATISTICS_H_
