// Long series, made as short as a picture needs. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_THIN_H_
#define RONDO_APPS_RONDO_REPORT_THIN_H_

#include <cstddef>
#include <vector>

namespace apps::report {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

// Of all points that fall into one of `columns` columns of equal width from `left` to `right`, one
// after the other, only the first, the lowest, the highest and the last, in their order: drawn
// `columns` pixels wide, the line looks the same. Points outside stay, so that a line leaves the
// picture where it does. left < right.
std::vector<ChartPoint> ThinLine(const std::vector<ChartPoint>& points, double left, double right,
                                 std::size_t columns);

// One of the values in each column; the others would be drawn over it. Values outside are left out.
std::vector<double> ThinStrokes(const std::vector<double>& values, double left, double right,
                                std::size_t columns);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_THIN_H_
