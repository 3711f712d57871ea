// The report as one HTML page that needs nothing else: no script, no network, no other file. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_PAGE_H_
#define RONDO_APPS_RONDO_REPORT_PAGE_H_

#include <string>
#include <vector>

#include "apps/rondo/report/groups.h"

namespace apps::report {

struct PageOptions {
  std::string title;
};

// Sections without data are not there.
std::string RenderPage(const PageOptions& options, const std::vector<Group>& groups);

// The page's style sheet: the palettes, light and dark, and how everything looks. Classes cN are
// the strategies' colours (c8 is nobody's), kN those of the parts of a bar.
extern const char kStyle[];

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_PAGE_H_
