// Orders of small samples. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_STATISTICS_H_
#define RONDO_APPS_RONDO_REPORT_STATISTICS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include "actors/sweep/sweep_results.h"

namespace apps::report {

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
  return Summary{actors::QuantileOf(values, 0.5), values.front(), values.back(), values.size()};
}

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_STATISTICS_H_
