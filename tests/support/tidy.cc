#include "tests/support/tidy.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

namespace tests {
namespace {

bool StartsWith(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool StartsWithAny(std::string_view text, const std::vector<std::string_view>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return StartsWith(text, beginning); });
}

bool IsWordPart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string Finding(const SourceFile& file, size_t line_index, std::string_view message) {
  std::ostringstream finding;
  finding << file.path << ':' << line_index + 1 << ": " << message;
  return finding.str();
}

// Blanks comments and the inside of literals, keeping every newline and every other byte in place.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : text_(text), code_(text) {}

  std::string Run() {
    while (at_ < text_.size()) Step();
    return std::move(code_);
  }

 private:
  void Step() {
    if (Here("//")) return BlankUntil(text_.find('\n', at_));
    if (Here("/*")) return BlankPast("*/", at_ + 2);
    if (text_[at_] == '"' && IsRaw()) return BlankRaw();
    if (text_[at_] == '"') return BlankQuoted('"');
    // A quote after a letter or digit parts the digits of a number, as in 1'000.
    if (text_[at_] == '\'' && (at_ == 0 || !IsWordPart(text_[at_ - 1]))) return BlankQuoted('\'');
    ++at_;
  }

  bool Here(std::string_view what) const { return StartsWith(text_.substr(at_), what); }

  // R"..., u8R"...: an R directly before the quote that ends no longer name.
  bool IsRaw() const {
    if (at_ == 0 || text_[at_ - 1] != 'R') return false;
    size_t start = at_ - 1;
    while (start > 0 && IsWordPart(text_[start - 1])) --start;
    const std::string_view prefix = text_.substr(start, at_ - 1 - start);
    return prefix.empty() || prefix == "u8" || prefix == "u" || prefix == "U" || prefix == "L";
  }

  void BlankRaw() {
    const size_t open = text_.find('(', at_);
    if (open == std::string_view::npos) return BlankUntil(open);
    const std::string end = ")" + std::string(text_.substr(at_ + 1, open - at_ - 1)) + "\"";
    ++at_;
    BlankPast(end, open + 1);
  }

  void BlankQuoted(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    ++at_;
    BlankUntil(end);
    if (at_ < text_.size() && text_[at_] == quote) ++at_;
  }

  void BlankPast(std::string_view end, size_t search_from) {
    const size_t found = text_.find(end, search_from);
    BlankUntil(found == std::string_view::npos ? found : found + end.size());
  }

  void BlankUntil(size_t end) {
    end = std::min(end, text_.size());
    for (; at_ < end; ++at_) {
      if (code_[at_] != '\n') code_[at_] = ' ';
    }
  }

  std::string_view text_;
  std::string code_;
  size_t at_ = 0;
};

// The header that a line includes or the schema that it imports, with `<` or `"` in front.
std::optional<std::string> IncludedBy(const SourceFile& file, size_t line_index) {
  const bool schema = EndsWith(file.path, ".capnp");
  const std::string_view code = Trim(file.code[line_index]);
  const std::string& line = file.lines[line_index];
  if (!schema && !StartsWith(code, "#include")) return std::nullopt;
  const size_t word = line.find(schema ? "import \"" : "#include");
  if (word == std::string::npos || (schema && StartsWith(code, "#"))) return std::nullopt;
  const size_t start = line.find_first_of("<\"", word);
  if (start == std::string::npos) return std::nullopt;
  const size_t end = line.find_first_of(">\"", start + 1);
  std::string header = line.substr(start, end == std::string::npos ? end : end - start);
  // Cap'n Proto imports by absolute path: "/schema/envelope.capnp".
  if (schema && StartsWith(header, "\"/")) header.erase(1, 1);
  return header;
}

// Where `word` stands in `line` as a word of its own: `Mutex` does not stand in `MutexLock`.
bool HasWord(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = !IsWordPart(word.front()) || at == 0 || !IsWordPart(line[at - 1]);
    const bool ends = !IsWordPart(word.back()) || end == line.size() || !IsWordPart(line[end]);
    if (begins && ends) return true;
  }
  return false;
}

size_t CodePoints(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string GuardOf(std::string_view path) {
  std::string guard = "RONDO_";
  for (const char c : path) {
    guard += IsWordPart(c) ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : '_';
  }
  return guard + "_";
}

// Whether the text between the last statement and a `{` opens the body of a function: it has a
// parameter list and is neither a type, a namespace nor an initializer.
bool OpensFunction(std::string_view head) {
  head = Trim(head);
  if (head.empty() || head.back() == '=' || head.back() == ',' || head.back() == '(') return false;
  const size_t parenthesis = head.find('(');
  if (parenthesis == std::string_view::npos) return false;
  const std::string_view before = head.substr(0, parenthesis);
  static constexpr std::array<std::string_view, 5> kTypes = {"namespace", "class", "struct",
                                                             "union", "enum"};
  return std::none_of(kTypes.begin(), kTypes.end(),
                      [&](std::string_view type) { return HasWord(before, type); });
}

// Follows the braces of one file and reports every function that is longer than it may be.
class FunctionMeter {
 public:
  explicit FunctionMeter(const SourceFile& file) : file_(file) {}

  Findings Run() {
    bool in_directive = false;
    for (line_ = 0; line_ < file_.code.size(); ++line_) {
      const std::string_view code = Trim(file_.code[line_]);
      in_directive = in_directive || StartsWith(code, "#");
      if (!in_directive) {
        for (const char c : code) Take(c);
        head_ += ' ';
      }
      in_directive = in_directive && EndsWith(code, "\\");
    }
    return std::move(findings_);
  }

 private:
  void Take(char c) {
    if (c == '{') {
      // Braces within parentheses, as in a default argument, are part of what they stand in.
      const bool nested =
          std::count(head_.begin(), head_.end(), '(') > std::count(head_.begin(), head_.end(), ')');
      if (!function_depth_.has_value() && !nested && OpensFunction(head_)) {
        function_depth_ = outer_heads_.size();
        function_line_ = line_;
      }
      outer_heads_.push_back(nested ? std::exchange(head_, {}) : std::string());
      head_.clear();
    } else if (c == '}' && !outer_heads_.empty()) {
      head_ = std::move(outer_heads_.back());
      outer_heads_.pop_back();
      if (function_depth_ == outer_heads_.size()) Close();
    } else if (c == ';') {
      head_.clear();
    } else {
      head_ += c;
    }
  }

  void Close() {
    const size_t length = line_ - function_line_ + 1;
    if (length > kMaxFunctionLines) {
      findings_.push_back(Finding(file_, function_line_,
                                  "a function of " + std::to_string(length) + " lines; " +
                                      std::to_string(kMaxFunctionLines) + " is the end"));
    }
    function_depth_.reset();
  }

  const SourceFile& file_;
  Findings findings_;
  std::string head_;                      // the text since the last `;`, `{` or `}`
  std::vector<std::string> outer_heads_;  // per open brace: the head to go on with at its end
  size_t line_ = 0;
  std::optional<size_t> function_depth_;  // braces outside the outermost function that is open
  size_t function_line_ = 0;
};

}  // namespace

SourceFile MakeSourceFile(std::string path, std::string_view text) {
  const bool schema = EndsWith(path, ".capnp");
  std::vector<std::string> code = SplitLines(schema ? std::string(text) : Blanker(text).Run());
  return {std::move(path), SplitLines(text), std::move(code)};
}

std::string ReadText(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::vector<SourceFile> ReadTree(const std::string& root) {
  namespace fs = std::filesystem;
  static const std::set<std::string> extensions = {".h", ".cc", ".capnp"};
  std::vector<SourceFile> files;
  for (const char* folder : {"schema", "runtime", "actors", "apps", "tests"}) {
    if (!fs::is_directory(fs::path(root) / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
      if (!entry.is_regular_file() || extensions.count(entry.path().extension()) == 0) continue;
      files.push_back(MakeSourceFile(fs::relative(entry.path(), root).generic_string(),
                                     ReadText(entry.path().string())));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

Findings CheckLayers(const SourceFile& file, const std::vector<Layer>& layers) {
  const Layer* home = nullptr;
  for (const Layer& layer : layers) {
    if (!StartsWith(file.path, layer.folder)) continue;
    if (home == nullptr || layer.folder.size() > home->folder.size()) home = &layer;
  }
  if (home == nullptr) return {Finding(file, 0, "stands in no folder of the table of layers")};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<std::string> header = IncludedBy(file, i);
    if (!header.has_value() || header->front() != '"') continue;
    const std::string name = header->substr(1);
    if (StartsWithAny(name, home->may_include)) continue;
    findings.push_back(Finding(file, i,
                               std::string(home->folder) + " may not include \"" + name +
                                   "\": includes start at the root and run downwards"));
  }
  return findings;
}

Findings CheckForeignIncludes(const SourceFile& file, const std::vector<Rule>& rules) {
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<std::string> header = IncludedBy(file, i);
    if (!header.has_value()) continue;
    for (const Rule& rule : rules) {
      if (!StartsWithAny(std::string_view(*header).substr(1), rule.words)) continue;
      if (StartsWithAny(file.path, rule.allowed)) continue;
      findings.push_back(
          Finding(file, i, header->substr(1) + " is not for here: " + std::string(rule.reason)));
    }
  }
  return findings;
}

Findings CheckWords(const SourceFile& file, const std::vector<Rule>& rules) {
  Findings findings;
  if (EndsWith(file.path, ".capnp")) return findings;
  for (const Rule& rule : rules) {
    if (StartsWithAny(file.path, rule.allowed)) continue;
    for (size_t i = 0; i < file.code.size(); ++i) {
      for (const std::string_view word : rule.words) {
        if (!HasWord(file.code[i], word)) continue;
        findings.push_back(Finding(
            file, i, "`" + std::string(word) + "` is not for here: " + std::string(rule.reason)));
      }
    }
  }
  return findings;
}

Findings CheckLengths(const SourceFile& file) {
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const size_t columns = CodePoints(file.lines[i]);
    if (columns <= kMaxColumns) continue;
    findings.push_back(Finding(file, i,
                               "a line of " + std::to_string(columns) + " columns; " +
                                   std::to_string(kMaxColumns) + " is the end"));
  }
  if (file.lines.size() > kMaxFileLines) {
    findings.push_back(Finding(file, kMaxFileLines,
                               "a file of " + std::to_string(file.lines.size()) +
                                   " lines: more than one idea; divide it"));
  }
  return findings;
}

Findings CheckFunctionLengths(const SourceFile& file) {
  if (EndsWith(file.path, ".capnp")) return {};
  return FunctionMeter(file).Run();
}

Findings CheckHeaderGuard(const SourceFile& file) {
  if (!EndsWith(file.path, ".h")) return {};
  const std::string guard = GuardOf(file.path);
  const std::vector<std::string> wanted = {"#ifndef " + guard, "#define " + guard,
                                           "#endif  // " + guard};
  Findings findings;
  for (const std::string& line : wanted) {
    if (std::find(file.lines.begin(), file.lines.end(), line) != file.lines.end()) continue;
    findings.push_back(Finding(file, 0, "the header lacks the line `" + line + "`"));
  }
  return findings;
}

Findings CheckLoops(const SourceFile& file) {
  Findings findings;
  for (size_t i = 0; i < file.code.size(); ++i) {
    const std::string& line = file.code[i];
    const size_t begin = line.find("for (");
    if (begin == std::string::npos) continue;
    size_t end = begin + 4;
    for (int depth = 0; end < line.size(); ++end) {
      if (line[end] == '(') ++depth;
      if (line[end] == ')' && --depth == 0) break;
    }
    const std::string loop = line.substr(begin, end - begin);
    const size_t range = loop.find(" : ");
    if (range == std::string::npos || loop.find(';') != std::string::npos) continue;
    if (loop.find(")[", range) == std::string::npos) continue;
    findings.push_back(Finding(file, i,
                               "the loop goes over a part of what a call returned, which does not "
                               "live that long; give it a name"));
  }
  return findings;
}

Findings CheckNotes(const SourceFile& file) {
  // Put together here, or this file would find itself.
  static const std::string note = std::string("TO") + "DO";
  static const std::string other = std::string("FIX") + "ME";
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    std::string_view line = file.lines[i];
    if (HasWord(line, other)) findings.push_back(Finding(file, i, "write " + note + "(#issue)"));
    for (size_t at = line.find(note); at != std::string_view::npos; at = line.find(note)) {
      line.remove_prefix(at + note.size());
      const bool named = line.size() > 2 && StartsWith(line, "(#") &&
                         std::isdigit(static_cast<unsigned char>(line[2])) != 0;
      if (!named) findings.push_back(Finding(file, i, "write " + note + "(#issue)"));
    }
  }
  return findings;
}

Findings CheckRegistered(const std::vector<SourceFile>& files, std::string_view cmake) {
  std::set<std::string> named;
  for (const std::string& line : SplitLines(cmake)) {
    std::string code = line.substr(0, line.find('#'));
    std::replace_if(
        code.begin(), code.end(), [](char c) { return c == '(' || c == ')'; }, ' ');
    std::istringstream words(code);
    for (std::string word; words >> word;) named.insert(word);
  }
  Findings findings;
  for (const SourceFile& file : files) {
    if (!EndsWith(file.path, ".cc") || named.count(file.path) > 0) continue;
    findings.push_back(Finding(file, 0, "is not named in CMakeLists.txt, so nobody builds it"));
  }
  return findings;
}

}  // namespace tests
