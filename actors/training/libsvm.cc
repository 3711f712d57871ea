#include "actors/training/libsvm.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "actors/training/data_file.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

// Bounds what a file can make us allocate: a batch and a model have all features.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
constexpr std::uint32_t kMostFeatures = 1u << 24;
constexpr std::size_t kMostClasses = 4096;  // As many as a message may count.
constexpr char kHint[] =
    "give data.dir a file of lines \"label index:value ...\" with its test file, NAME.t, beside "
    "it, "
    "or a folder with train.svm and test.svm";

// The rows of one file, one behind the other.
struct Rows {
  std::vector<std::int64_t> labels;    // As they stand in the file.
  std::vector<std::uint64_t> ends;     // Of each row, in the next two.
  std::vector<std::uint32_t> indices;  // From 0.
  std::vector<float> values;
  std::vector<std::uint64_t> lines;  // Of the file, for errors.
  std::uint32_t features = 0;        // The largest index, counted from 1.
};

// Takes the next word off the front of `line`; empty: there is none.
std::string_view TakeWord(std::string_view& line) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = std::min(line.find_first_not_of(kBlanks), line.size());
  line.remove_prefix(begin);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

// SimpleAtod takes "nan" and "inf", which are none here.
bool ReadNumber(std::string_view word, double& number) {
  return absl::SimpleAtod({word.data(), word.size()}, &number) && std::isfinite(number);
}

// Why the line is no sample; empty: it is, and stands in `rows`.
std::string TakeRow(std::string_view line, Rows& rows) {
  double label = 0;
  const std::string_view first = TakeWord(line);
  if (!ReadNumber(first, label) || std::floor(label) != label || std::fabs(label) > 1e9) {
    return absl::StrCat("the label \"", std::string(first.substr(0, 40)), "\" is no integer");
  }
  std::uint32_t before = 0;
  for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
    const std::string shown = absl::StrCat("\"", std::string(word.substr(0, 40)), "\"");
    const std::size_t colon = word.find(':');
    std::uint32_t index = 0;
    double value = 0;
    if (colon == std::string_view::npos ||
        !absl::SimpleAtoi(absl::string_view(word.data(), colon), &index) ||
        !ReadNumber(word.substr(colon + 1), value) || !std::isfinite(static_cast<float>(value))) {
      return absl::StrCat(shown, " is no index:value with a finite value");
    }
    if (index == 0) return absl::StrCat(shown, " has index 0; they count from 1");
    if (index > kMostFeatures) {
      return absl::StrCat(shown, " is beyond the bound of ", kMostFeatures, " features");
    }
    if (index <= before) {
      return absl::StrCat(shown, " follows index ", before, "; they must rise");
    }
    before = index;
    rows.indices.push_back(index - 1);
    rows.values.push_back(static_cast<float>(value));
  }
  rows.features = std::max(rows.features, before);
  rows.labels.push_back(static_cast<std::int64_t>(label));
  rows.ends.push_back(rows.indices.size());
  return "";
}

absl::StatusOr<Rows> ReadRows(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string contents, ReadDataFile(path, kMostBytes, kHint));
  Rows rows;
  std::uint64_t number = 0;
  for (std::string_view rest = contents; !rest.empty();) {
    ++number;
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::string_view probe = line;
    if (TakeWord(probe).empty()) continue;
    const std::string why = TakeRow(line, rows);
    if (!why.empty()) return DataCorrupt(path, absl::StrCat("line ", number), why, kHint);
    rows.lines.push_back(number);
  }
  if (rows.labels.empty()) return DataCorrupt(path, "line 1", "there is no sample", kHint);
  return rows;
}

class SparseRows final : public Samples {
 public:
  // `labels` are classes, one a row.
  SparseRows(Rows rows, std::vector<std::uint32_t> labels, std::uint32_t features)
      : rows_(std::move(rows)), labels_(std::move(labels)), features_(features) {}

  std::size_t size() const override { return labels_.size(); }
  std::uint32_t LabelOf(std::size_t sample) const override { return labels_[sample]; }
  void PutInput(std::size_t sample, float* input) const override {
    std::fill(input, input + features_, 0.0f);
    for (std::uint64_t i = sample == 0 ? 0 : rows_.ends[sample - 1]; i < rows_.ends[sample]; ++i) {
      input[rows_.indices[i]] = rows_.values[i];
    }
  }
  void PutTargets(std::size_t sample, std::int64_t* targets) const override {
    *targets = labels_[sample];
  }
  // With the features: a model is as wide as the test file makes it, too.
  std::uint64_t Fingerprint() const override {
    const std::array<std::uint64_t, 5> parts = {features_, HashOf(rows_.ends),
                                                HashOf(rows_.indices), HashOf(rows_.values),
                                                HashOf(labels_)};
    return runtime::HashBytes(parts.data(), sizeof(parts));
  }

 private:
  template <typename Value>
  static std::uint64_t HashOf(const std::vector<Value>& values) {
    return runtime::HashBytes(values.data(), values.size() * sizeof(Value));
  }

  const Rows rows_;
  const std::vector<std::uint32_t> labels_;
  const std::uint32_t features_;
};

// The number of each label among `known`.
absl::StatusOr<std::vector<std::uint32_t>> ClassesOf(const std::string& path, const Rows& rows,
                                                     const std::vector<std::int64_t>& known) {
  std::vector<std::uint32_t> classes;
  classes.reserve(rows.labels.size());
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto found = std::lower_bound(known.begin(), known.end(), rows.labels[i]);
    if (found == known.end() || *found != rows.labels[i]) {
      return DataCorrupt(path, absl::StrCat("line ", rows.lines[i]),
                         absl::StrCat("the training file has no label ", rows.labels[i]), kHint);
    }
    classes.push_back(static_cast<std::uint32_t>(found - known.begin()));
  }
  return classes;
}

// The training and the test file.
std::pair<std::string, std::string> FilesAt(const std::string& place) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(place, ignored)) return {place, place + ".t"};
  const bool plain = !std::filesystem::exists(place + "/train.svm", ignored) &&
                     std::filesystem::exists(place + "/train", ignored);
  const std::string ending = plain ? "" : ".svm";
  return {place + "/train" + ending, place + "/test" + ending};
}

}  // namespace

absl::StatusOr<LabelledData> ReadLibsvm(const std::string& place) {
  const auto [train_path, test_path] = FilesAt(place);
  ASSIGN_OR_RETURN(Rows train, ReadRows(train_path));
  ASSIGN_OR_RETURN(Rows test, ReadRows(test_path));
  std::vector<std::int64_t> known = train.labels;
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  if (known.size() > kMostClasses) {
    return DataCorrupt(train_path, "line 1",
                       absl::StrCat("there are ", known.size(),
                                    " different labels, more than the bound of ", kMostClasses),
                       kHint);
  }
  const std::uint32_t features = std::max(train.features, test.features);
  if (features == 0) return DataCorrupt(train_path, "line 1", "no sample has a feature", kHint);
  ASSIGN_OR_RETURN(std::vector<std::uint32_t> train_classes, ClassesOf(train_path, train, known));
  ASSIGN_OR_RETURN(std::vector<std::uint32_t> test_classes, ClassesOf(test_path, test, known));
  LabelledData data;
  data.shape.input = {1, 1, features};
  data.shape.classes = static_cast<std::uint32_t>(known.size());
  data.train = std::make_shared<SparseRows>(std::move(train), std::move(train_classes), features);
  data.test = std::make_shared<SparseRows>(std::move(test), std::move(test_classes), features);
  return data;
}

}  // namespace actors
