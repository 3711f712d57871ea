// The table of a report: every point with what it came to, those that failed or missed the target
// included. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_TABLE_H_
#define RONDO_APPS_RONDO_REPORT_TABLE_H_

#include <string>
#include <vector>

#include "apps/rondo/report/groups.h"

namespace apps::report {

// As HTML. Columns that would be empty in all rows are left out.
std::string RenderPointTable(const std::vector<Group>& groups);

// The runs that failed, each with its error, and what notes the others left; "" for none.
std::string RenderFailures(const std::vector<Group>& groups);
std::string RenderNotes(const std::vector<Group>& groups);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_TABLE_H_
