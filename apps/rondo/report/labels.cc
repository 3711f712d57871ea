#include "apps/rondo/report/labels.h"

#include <algorithm>

#include "apps/rondo/report/html.h"

namespace apps::report {
namespace {

// Of the page's text in a drawing (style.cc), a little generous: fonts differ, and on a phone the
// letters are larger against the drawing.
constexpr double kCharacterWidth = 7;
constexpr double kAscent = 10;
constexpr double kDescent = 3;
constexpr double kGap = 8;  // Between a point and its label.
constexpr double kLine = kAscent + kDescent;

}  // namespace

double TextWidth(const std::string& text) {
  return kCharacterWidth * static_cast<double>(CharacterCount(text));
}

bool LabelPlacer::IsFree(const Box& box) const {
  if (box.left < bounds_.left || box.right > bounds_.right || box.top < bounds_.top ||
      box.bottom > bounds_.bottom) {
    return false;
  }
  return std::none_of(taken_.begin(), taken_.end(), [&box](const Box& other) {
    return box.left < other.right && other.left < box.right && box.top < other.bottom &&
           other.top < box.bottom;
  });
}

std::optional<PlacedLabel> LabelPlacer::Place(double x, double y, const std::string& text) {
  const double width = TextWidth(text);
  const double middle = y + kAscent / 2 - 1;  // Baseline of a label at the height of the point.
  for (const double shift : {0.0, -kLine, kLine, -1.6 * kLine, 1.6 * kLine, -2.4 * kLine,
                             2.4 * kLine, -3.2 * kLine, 3.2 * kLine}) {
    for (const bool is_right_aligned : {false, true}) {
      const double begin = is_right_aligned ? x - kGap - width : x + kGap;
      const double baseline = middle + shift;
      const Box box = {begin, baseline - kAscent, begin + width, baseline + kDescent};
      if (!IsFree(box)) continue;
      Block(box);
      return PlacedLabel{is_right_aligned ? x - kGap : x + kGap, baseline, is_right_aligned};
    }
  }
  return std::nullopt;
}

}  // namespace apps::report
