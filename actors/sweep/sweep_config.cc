#include "actors/sweep/sweep_config.h"

#include <algorithm>
#include <utility>

#include "actors/run_config_toml.h"
#include "runtime/base/nearest.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

// Of a key; the runs are bounded by the plan.
constexpr std::size_t kMostValues = 1000;
constexpr char kSeeds[] = "seeds";

absl::Status Refuse(const std::string& code, const std::string& place, const std::string& why,
                    const std::string& hint) {
  return MakeError(code, Exit::kUsage, absl::StrCat(place, ": ", why), hint);
}

struct Reader {
  const std::string& name;

  std::string Place(const toml::node& node) const { return PlaceOf(name, node.source().begin); }

  // One value, or a list of them.
  absl::StatusOr<std::vector<ConfigValue>> Values(const std::string& key,
                                                  const toml::node& node) const {
    std::vector<ConfigValue> values;
    if (std::optional<ConfigValue> one = ScalarOf(node)) return std::vector{*std::move(one)};
    const toml::array* const list = node.as_array();
    if (list == nullptr || list->empty() || list->size() > kMostValues) {
      return Refuse("CONFIG_WRONG_TYPE", Place(node),
                    absl::StrCat(key, " must be a value or a list of 1 to ", kMostValues),
                    absl::StrCat(key, " = [A, B] makes a run of each"));
    }
    for (const toml::node& element : *list) {
      std::optional<ConfigValue> value = ScalarOf(element);
      if (!value.has_value()) {
        return Refuse("CONFIG_WRONG_TYPE", Place(element),
                      absl::StrCat("each of ", key, " must be a number, a text, true or false"),
                      "");
      }
      if (std::find(values.begin(), values.end(), *value) != values.end()) {
        return Refuse("CONFIG_INVALID_VALUE", Place(element),
                      absl::StrCat(key, " names ", ToTomlLiteral(*value), " twice"),
                      "give each value once");
      }
      values.push_back(*std::move(value));
    }
    return values;
  }

  absl::StatusOr<std::vector<std::uint64_t>> Seeds(const toml::node& node) const {
    ASSIGN_OR_RETURN(const std::vector<ConfigValue> values, Values("seeds", node));
    std::vector<std::uint64_t> seeds;
    for (const ConfigValue& value : values) {
      const auto* const seed = std::get_if<std::int64_t>(&value);
      if (seed == nullptr || *seed < 0) {
        return Refuse("CONFIG_INVALID_VALUE", Place(node),
                      "seeds must be a list of integers from 0 on", "seeds = [1, 2, 3]");
      }
      seeds.push_back(static_cast<std::uint64_t>(*seed));
    }
    return seeds;
  }

  // `run.workers = [5, 10]` is a table in a table. Seeds are no axis.
  absl::Status AddAxes(const toml::table& table, std::vector<SweepAxis>& axes) const {
    for (const auto& [section, node] : table) {
      const std::string prefix(section.str());
      if (prefix == kSeeds) continue;
      const toml::table* const keys = node.as_table();
      if (keys == nullptr) {
        return Refuse("CONFIG_UNKNOWN_KEY", PlaceOf(name, section.source().begin),
                      absl::StrCat(prefix, " is no key of a config"),
                      "write section.key = [VALUES], as in strategy.theta = [0.5, 2]");
      }
      for (const auto& [key, values] : *keys) {
        SweepAxis axis{.key = absl::StrCat(prefix, ".", std::string(key.str()))};
        RETURN_IF_ERROR(CheckKey(axis.key, PlaceOf(name, key.source().begin)));
        ASSIGN_OR_RETURN(axis.values, Values(axis.key, values));
        axis.origin = absl::StrCat(name, ":", values.source().begin.line);
        axes.push_back(std::move(axis));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status CheckKey(const std::string& key, const std::string& place) {
    if (key == "run.seed") {
      return Refuse("CONFIG_CONFLICT", place, "run.seed is what the sweep's seeds set",
                    "write seeds = [1, 2, 3] in [sweep]");
    }
    if (key == "run.out") {
      return Refuse("CONFIG_CONFLICT", place, "a sweep's runs have their folders in its own",
                    "use rondo sweep --out DIR");
    }
    if (FindConfigKey(key) != nullptr) return absl::OkStatus();
    return Refuse("CONFIG_UNKNOWN_KEY", place, absl::StrCat("unknown key ", key),
                  runtime::DidYouMean(key, ConfigKeyNames(), "see rondo run CONFIG --dry-run"));
  }

  // `table` without what it says of seeds, and the axes that it does not have itself.
  absl::StatusOr<SweepCase> Case(const toml::table& table, const SweepCase& all) const {
    SweepCase made{.axes = {}, .seeds = all.seeds};
    if (const toml::node* seeds = table.get(kSeeds)) {
      ASSIGN_OR_RETURN(made.seeds, Seeds(*seeds));
    }
    RETURN_IF_ERROR(AddAxes(table, made.axes));
    for (const SweepAxis& axis : all.axes) {
      const bool is_own =
          std::any_of(made.axes.begin(), made.axes.end(),
                      [&axis](const SweepAxis& own) { return own.key == axis.key; });
      if (!is_own) made.axes.push_back(axis);
    }
    std::sort(made.axes.begin(), made.axes.end(),
              [](const SweepAxis& a, const SweepAxis& b) { return a.key < b.key; });
    return made;
  }

  absl::StatusOr<SweepConfig> Sweep(const toml::table& sweep) const {
    SweepConfig config;
    SweepCase all{.axes = {}, .seeds = {1}};
    const toml::array* cases = nullptr;
    for (const auto& [key, node] : sweep) {
      const std::string_view what = key.str();
      if (what == kSeeds) {
        ASSIGN_OR_RETURN(all.seeds, Seeds(node));
      } else if (what == "match_tau") {
        if (node.value_or(std::string_view()) != "fda") {
          return Refuse("CONFIG_INVALID_VALUE", Place(node), "sweep.match_tau must be \"fda\"",
                        "leave it out where every local and clock has a strategy.tau");
        }
        config.match_tau = true;
      } else if (what == "axes" && node.is_table()) {
        if (const toml::node* seeds = node.as_table()->get(kSeeds)) {
          return Refuse("CONFIG_UNKNOWN_KEY", Place(*seeds), "seeds is no axis",
                        "write it in [sweep], or in a case");
        }
        RETURN_IF_ERROR(AddAxes(*node.as_table(), all.axes));
      } else if (what == "cases" && node.is_array_of_tables()) {
        cases = node.as_array();
      } else {
        return Refuse(
            "CONFIG_UNKNOWN_KEY", PlaceOf(name, key.source().begin),
            absl::StrCat("[sweep] has no such key, or not of this kind: ", std::string(what)),
            "it has seeds, match_tau, [sweep.axes] and [[sweep.cases]]");
      }
    }
    if (cases == nullptr) {
      ASSIGN_OR_RETURN(SweepCase only, Case({}, all));
      config.cases.push_back(std::move(only));
      return config;
    }
    for (const toml::node& node : *cases) {
      ASSIGN_OR_RETURN(SweepCase made, Case(*node.as_table(), all));
      config.cases.push_back(std::move(made));
    }
    return config;
  }
};

}  // namespace

absl::StatusOr<SweepConfig> ReadSweepConfig(const std::string& text, const std::string& name) {
  const toml::parse_result result = toml::parse(text, name);
  if (!result) return SyntaxError(result.error(), name);
  const toml::node* const sweep = result.table().get(kSweepSection);
  if (sweep == nullptr || !sweep->is_table()) {
    return MakeError("NO_SWEEP", Exit::kUsage, absl::StrCat(name, " has no section [sweep]"),
                     "add one with seeds = [1, 2, 3] and [sweep.axes], or use rondo run");
  }
  return Reader{name}.Sweep(*sweep->as_table());
}

}  // namespace actors
