// Text for HTML and SVG. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_HTML_H_
#define RONDO_APPS_RONDO_REPORT_HTML_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace apps::report {

// `text` as content or as a quoted attribute: & < > " ' become entities, control characters spaces,
// and bytes that are no UTF-8 the replacement character. Whatever comes in, no markup comes out.
std::string Escape(std::string_view text);

// At most `most` characters (code points), the last of them an ellipsis if some were cut off. Call
// it before Escape.
std::string Shorten(std::string_view text, std::size_t most);

// How many characters `text` has; what is no UTF-8 counts by the byte.
std::size_t CharacterCount(std::string_view text);

// A coordinate or a size: one decimal at most, "12.5", "12".
std::string Coordinate(double value);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_HTML_H_
