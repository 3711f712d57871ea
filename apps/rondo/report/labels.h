// Where the words of a chart go, so that none stands on another. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_LABELS_H_
#define RONDO_APPS_RONDO_REPORT_LABELS_H_

#include <optional>
#include <string>
#include <vector>

namespace apps::report {

// Upright rectangle, y downwards.
struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

struct PlacedLabel {
  double x = 0;  // Of its beginning or, if it is right-aligned, of its end.
  double y = 0;  // Of its baseline.
  bool is_right_aligned = false;
};

class LabelPlacer {
 public:
  // Labels stay inside `bounds`.
  explicit LabelPlacer(const Box& bounds) : bounds_(bounds) {}

  // Nothing may be written here.
  void Block(const Box& box) { taken_.push_back(box); }
  // The nearest free place around (x, y), beside it first; none if all are taken. It is taken then.
  std::optional<PlacedLabel> Place(double x, double y, const std::string& text);

 private:
  bool IsFree(const Box& box) const;

  const Box bounds_;
  std::vector<Box> taken_;
};

// About as wide as `text` is drawn.
double TextWidth(const std::string& text);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_LABELS_H_
