#include "apps/rondo/report/groups.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "apps/rondo/report/scale.h"

namespace apps::report {
namespace {

struct FamilyLook {
  const char* family;
  int color;
  Shape shape;
};

// The order in which families are listed, and the colours that they have if nobody before them in
// the report has taken it (style.cc: eight that are told apart without red and green).
constexpr FamilyLook kFamilies[] = {
    {"synchronous", 6, Shape::kSquare}, {"fda linear", 0, Shape::kCircle},
    {"fda sketch", 1, Shape::kCircle},  {"fda naive", 4, Shape::kCircle},
    {"fda exact", 5, Shape::kCircle},   {"local", 2, Shape::kTriangle},
    {"clock", 3, Shape::kTriangle},     {"qsr", 7, Shape::kTriangle},
    {"fedavg", 5, Shape::kDiamond},     {"fedavgm", 4, Shape::kDiamond},
    {"fedadam", 3, Shape::kDiamond},    {"diloco", 7, Shape::kDiamond},
};
constexpr int kColors = 8;

// What says how long a run is, what is kept of it and whom it waits for: runs that differ in these
// can be compared.
constexpr const char* kNoMatter[] = {
    "run.max_steps",        "run.target_accuracy", "run.evaluate_every", "run.wait",
    "run.checkpoint_every", "run.min_workers",     "run.max_workers",    "run.orphan_timeout"};

const actors::RunResult* AnyResult(const Group& group) {
  for (const Trial* trial : group.trials) {
    if (trial->result.has_value()) return &*trial->result;
  }
  return nullptr;
}

std::string FamilyOf(const Group& group) {
  const actors::RunResult* const result = AnyResult(group);
  std::string family = group.ValueOf("strategy.name");
  if (family.empty() && result != nullptr) family = result->strategy;
  // Only fda has estimators, and it is what a run does that says nothing of its strategy.
  if (family.empty() && group.settings.count("run.workers") > 0) family = "fda";
  if (family.empty()) return "run";
  if (family != "fda") return family;
  std::string estimator = group.ValueOf("strategy.estimator");
  if (estimator.empty() && result != nullptr) estimator = result->estimator;
  return estimator.empty() ? family : absl::StrCat(family, " ", estimator);
}

bool StartsWithAny(const std::string& family, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(),
                     [&family](const char* name) { return absl::StartsWith(family, name); });
}

// The keys that a family is tuned by, which are always told.
std::vector<std::string> TunedBy(const std::string& family) {
  if (absl::StartsWith(family, "fda")) return {"strategy.theta"};
  if (family == "qsr") return {"strategy.tau", "strategy.qsr_alpha"};
  if (StartsWithAny(family, {"fedavg", "fedadam"})) return {"strategy.data_epochs"};
  if (StartsWithAny(family, {"local", "clock", "diloco"})) return {"strategy.tau"};
  return {};
}

std::string NamedSetting(const std::string& key, const std::string& value) {
  if (key == "run.workers") return "K " + value;
  if (key == "data.partition" || key == "model.name" || key == "data.source" ||
      key == "strategy.decision" || key == "strategy.estimator" || key == "optimizer.name") {
    return value;
  }
  if (key == "strategy.theta") return "θ " + value;
  if (key == "strategy.tau") return "τ " + value;
  if (key == "strategy.qsr_alpha") return "α " + value;
  if (key == "strategy.data_epochs") return value + " epochs";
  if (key == "optimizer.learning_rate") return "rate " + value;
  std::string name = key.substr(key.find('.') + 1);
  std::replace(name.begin(), name.end(), '_', ' ');
  return absl::StrCat(absl::StartsWith(key, "server.") ? "server " : "", name, " ", value);
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) absl::StrAppend(&text, text.empty() ? "" : ", ", part);
  return text;
}

bool IsOfStrategy(const std::string& key) {
  return absl::StartsWith(key, "strategy.") || absl::StartsWith(key, "server.");
}

bool IsNoMatter(const std::string& key) {
  return std::find(std::begin(kNoMatter), std::end(kNoMatter), key) != std::end(kNoMatter);
}

// Keys with different values among those of `groups` that have them.
std::set<std::string> DifferingKeys(const std::vector<const Group*>& groups) {
  std::map<std::string, std::set<std::string>> values;
  for (const Group* group : groups) {
    for (const auto& [key, value] : group->settings) values[key].insert(value);
  }
  std::set<std::string> keys;
  for (const auto& [key, of_key] : values) {
    if (of_key.size() > 1) keys.insert(key);
  }
  return keys;
}

// theta as it was in force, where the settings only say how to find it.
std::string TunedValue(const Group& group, const std::string& key) {
  const std::string value = group.ValueOf(key);
  const actors::RunResult* const result = AnyResult(group);
  double number = 0;
  if (key != "strategy.theta" || result == nullptr || !result->theta.has_value() ||
      absl::SimpleAtod(value, &number)) {
    return value;
  }
  return value == "auto" ? value : FormatTick(*result->theta);
}

// "linear θ 2": the fda point whose interval was taken.
std::string MatchedText(const std::map<std::string, std::string>& matched) {
  std::string text;
  for (const char* const key : {"strategy.estimator", "strategy.theta"}) {
    const auto found = matched.find(key);
    if (found == matched.end()) continue;
    absl::StrAppend(&text, text.empty() ? "" : " ", NamedSetting(key, found->second));
  }
  return text.empty() ? "fda" : text;
}

std::string ParameterOf(const Group& group, const std::set<std::string>& differing) {
  std::vector<std::string> parts;
  const std::vector<std::string> tuned_by = TunedBy(group.family);
  const std::map<std::string, std::string>& matched = group.trials.front()->matched;
  for (const std::string& key : tuned_by) {
    const std::string value = TunedValue(group, key);
    if (key == "strategy.tau" && !matched.empty()) {
      parts.push_back("τ of " + MatchedText(matched));
    } else if (!value.empty()) {
      parts.push_back(NamedSetting(key, value));
    }
  }
  for (const std::string& key : differing) {
    const bool is_named = key == "strategy.name" || key == "strategy.estimator" ||
                          std::count(tuned_by.begin(), tuned_by.end(), key) > 0;
    if (!IsOfStrategy(key) || is_named || group.ValueOf(key).empty()) continue;
    parts.push_back(NamedSetting(key, group.ValueOf(key)));
  }
  return Joined(parts);
}

void NameGroups(std::vector<Group>& groups) {
  std::vector<const Group*> all;
  std::map<std::string, std::vector<const Group*>> by_family;
  for (Group& group : groups) {
    group.family = FamilyOf(group);
    all.push_back(&group);
    by_family[group.family].push_back(&group);
  }
  std::map<std::string, std::set<std::string>> differing_in;
  for (const auto& [family, members] : by_family) differing_in[family] = DifferingKeys(members);
  const std::set<std::string> differing = DifferingKeys(all);
  for (Group& group : groups) {
    group.parameter = ParameterOf(group, differing_in[group.family]);
    std::vector<std::string> main, others;
    const auto name = [&](const std::string& key, std::vector<std::string>& parts) {
      const std::string value = differing.count(key) > 0 ? group.ValueOf(key) : "";
      if (!value.empty()) parts.push_back(NamedSetting(key, value));
    };
    name("run.workers", main);
    name("data.partition", main);
    for (const std::string& key : differing) {
      const bool is_main = key == "run.workers" || key == "data.partition";
      if (!is_main && !IsOfStrategy(key) && !IsNoMatter(key)) name(key, others);
    }
    group.others = Joined(others);
    main.insert(main.end(), others.begin(), others.end());
    group.setting = Joined(main);
  }
  std::map<std::string, int> labels;
  for (const Group& group : groups) ++labels[group.Label()];
  for (Group& group : groups) {
    // Runs without a config, or of different lengths: only their names tell them apart.
    if (labels[group.Label()] < 2) continue;
    absl::StrAppend(&group.parameter, group.parameter.empty() ? "" : ", ",
                    group.trials.front()->name);
  }
}

// The number in "θ 2, overlap true", so that 10 comes behind 2.
double FirstNumber(const std::string& text) {
  const std::size_t begin = text.find_first_of("0123456789");
  if (begin == std::string::npos) return 0;
  double number = 0;
  const std::size_t end = text.find_first_not_of("0123456789.e-+", begin);
  return absl::SimpleAtod(text.substr(begin, end - begin), &number) ? number : 0;
}

const FamilyLook* FindLook(const std::string& family) {
  for (const FamilyLook& look : kFamilies) {
    if (family == look.family) return &look;
  }
  return nullptr;
}

void ColorGroups(std::vector<Group>& groups) {
  std::map<std::string, int> colors;
  std::set<int> taken;
  const auto take = [&](const std::string& family, int wanted) {
    for (int turn = 0; turn < kColors && taken.count(wanted) > 0; ++turn) {
      wanted = (wanted + 1) % kColors;
    }
    taken.insert(wanted);
    colors[family] = wanted;
  };
  for (const FamilyLook& look : kFamilies) {
    const bool is_there = std::any_of(groups.begin(), groups.end(), [&look](const Group& group) {
      return group.family == look.family;
    });
    if (is_there) take(look.family, look.color);
  }
  for (Group& group : groups) {
    if (colors.count(group.family) == 0) take(group.family, 0);
    group.color = colors[group.family];
    const FamilyLook* const look = FindLook(group.family);
    if (look != nullptr) group.shape = look->shape;
  }
}

}  // namespace

std::size_t Group::CountOf(TrialState state) const {
  return static_cast<std::size_t>(std::count_if(
      trials.begin(), trials.end(), [state](const Trial* trial) { return trial->state == state; }));
}

std::optional<Summary> Group::OfResults(
    const std::function<double(const actors::RunResult&)>& value) const {
  std::vector<double> values;
  for (const Trial* trial : trials) {
    if (trial->result.has_value()) values.push_back(value(*trial->result));
  }
  return Summarize(std::move(values));
}

std::optional<Summary> Group::StepsToTarget() const {
  std::vector<double> values;
  for (const Trial* trial : trials) values.push_back(trial->ReachedStep().value_or(kUnknown));
  return Summarize(std::move(values));
}

std::optional<double> Group::Theta() const {
  double theta = 0;
  if (!absl::StartsWith(family, "fda")) return std::nullopt;
  const bool is_number = absl::SimpleAtod(TunedValue(*this, "strategy.theta"), &theta);
  if (is_number) return theta;
  const actors::RunResult* const result = AnyResult(*this);
  return result == nullptr ? std::nullopt : result->theta;
}

std::vector<Group> MakeGroups(const std::vector<Trial>& trials) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> places;
  for (const Trial& trial : trials) {
    const auto [found, is_new] = places.try_emplace(trial.point, groups.size());
    if (is_new) groups.emplace_back();
    Group& group = groups[found->second];
    group.trials.push_back(&trial);
    // A failed run's line lacks what the others' results add.
    for (const auto& [key, value] : trial.settings) group.settings.try_emplace(key, value);
  }
  for (Group& group : groups) {
    std::stable_sort(group.trials.begin(), group.trials.end(),
                     [](const Trial* a, const Trial* b) { return a->seed < b->seed; });
  }
  NameGroups(groups);
  ColorGroups(groups);
  const auto order = [](const Group& group) {
    const FamilyLook* const look = FindLook(group.family);
    const auto rank = look == nullptr ? std::size(kFamilies)
                                      : static_cast<std::size_t>(look - std::begin(kFamilies));
    return std::make_tuple(FirstNumber(group.setting), group.setting, rank, group.family,
                           FirstNumber(group.parameter), group.parameter);
  };
  std::stable_sort(groups.begin(), groups.end(),
                   [&order](const Group& a, const Group& b) { return order(a) < order(b); });
  return groups;
}

std::vector<std::vector<const Group*>> Comparable(const std::vector<Group>& groups) {
  std::vector<std::vector<const Group*>> lists;
  std::map<std::string, std::size_t> places;
  for (const Group& group : groups) {
    const auto [found, is_new] = places.try_emplace(group.setting, lists.size());
    if (is_new) lists.emplace_back();
    lists[found->second].push_back(&group);
  }
  return lists;
}

}  // namespace apps::report
