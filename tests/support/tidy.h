// The rules of the house that a compiler does not know: which folder may include which, which words
// may stand in which files, how long lines, functions and files are, which file is built.
//
// Every check is a pure function of the text and of a table, so that tests can plant a violation.
// Findings read "path:line: what is wrong, and what to do". Not a parser: comments, string and
// character literals are blanked, then braces and words are counted. What needs more than that is
// left to clang-tidy.
#ifndef RONDO_TESTS_SUPPORT_TIDY_H_
#define RONDO_TESTS_SUPPORT_TIDY_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tests {

inline constexpr size_t kMaxColumns = 100;       // code points, not bytes
inline constexpr size_t kMaxFunctionLines = 70;  // from the line of `{` to the line of `}`
inline constexpr size_t kMaxFileLines = 500;

using Findings = std::vector<std::string>;

// One source file, its lines as they stand and as code alone. Both have the same length, line by
// line and byte by byte.
struct SourceFile {
  std::string path;                // from the root of the tree: "runtime/base/mutex.h"
  std::vector<std::string> lines;  // without the newline
  std::vector<std::string> code;   // comments and the inside of literals blanked
};

SourceFile MakeSourceFile(std::string path, std::string_view text);

// Every source file below the folders of the product under `root`, ordered by path.
std::vector<SourceFile> ReadTree(const std::string& root);
std::string ReadText(const std::string& path);

// A folder and what its files may include of ours. Of several folders that hold a file, the longest
// counts.
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

// Words that may stand only in files whose path begins with one of `allowed`. In an include rule
// the words are beginnings of header names; else they are matched in code, as whole words where
// they begin or end with a letter.
struct Rule {
  std::vector<std::string_view> words;
  std::vector<std::string_view> allowed;
  std::string_view reason;
};

Findings CheckLayers(const SourceFile& file, const std::vector<Layer>& layers);
Findings CheckForeignIncludes(const SourceFile& file, const std::vector<Rule>& rules);
Findings CheckWords(const SourceFile& file, const std::vector<Rule>& rules);

// A line of more than kMaxColumns, a file of more than kMaxFileLines.
Findings CheckLengths(const SourceFile& file);
// A function of more than kMaxFunctionLines, lambdas and member functions included in the function
// that holds them.
Findings CheckFunctionLengths(const SourceFile& file);
// The include guard of a header is its path: RONDO_RUNTIME_BASE_MUTEX_H_.
Findings CheckHeaderGuard(const SourceFile& file);
// No loop over a part of a temporary: for (x : f()["a"]). C++20 does not keep it alive.
Findings CheckLoops(const SourceFile& file);
// A note for later names its issue, TODO(#12), and has no other spelling.
Findings CheckNotes(const SourceFile& file);
// Every .cc is named in CMakeLists.txt: what is not built is not tested. Comments there do not
// count.
Findings CheckRegistered(const std::vector<SourceFile>& files, std::string_view cmake);

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_TIDY_H_
