#include "actors/averaging/drift_telemetry.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace actors {
namespace {

// The header gives the reasons of all of these.
constexpr std::size_t kFewestMembers = 3;
constexpr double kDeviationOfMedianDistance = 1.4826;  // Of a normal distribution.
constexpr double kLeastCosineScale = 0.1;
constexpr double kLeastNormScale = 0.5;
constexpr double kFarOff = 3;
constexpr double kNear = 2;
constexpr double kOpposed = -0.4;
constexpr std::uint64_t kFewestSteps = 8;
constexpr int kQuietRounds = 3;

std::optional<double> Cosine(double product, double squared_a, double squared_b) {
  const double norms = std::sqrt(squared_a) * std::sqrt(squared_b);
  if (!(norms > 0) || !std::isfinite(norms) || !std::isfinite(product)) return std::nullopt;
  return std::clamp(product / norms, -1.0, 1.0);
}

// `values` are not empty.
double Median(std::vector<double> values) {
  const std::size_t middle = values.size() / 2;
  std::ranges::sort(values);
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Writes how far each `value` lies above the median, in robust deviations of at least `floor`.
void Standardize(const std::vector<std::pair<double, std::optional<double>*>>& values,
                 double floor) {
  if (values.size() < kFewestMembers) return;
  std::vector<double> all, distances;
  for (const auto& [value, z] : values) all.push_back(value);
  const double median = Median(std::move(all));
  for (const auto& [value, z] : values) distances.push_back(std::abs(value - median));
  const double scale = std::max(kDeviationOfMedianDistance * Median(std::move(distances)), floor);
  for (const auto& [value, z] : values) *z = (value - median) / scale;
}

// Of two rounds in a row. What has no value is less than any number.
bool AreGrounds(const MemberDrift& before, const MemberDrift& now) {
  const bool opposed = now.cosine_to_others.has_value() && *now.cosine_to_others <= kOpposed;
  return (opposed && before.cosine_z >= kFarOff && now.cosine_z >= kFarOff) ||
         (before.norm_z >= kFarOff && now.norm_z >= kFarOff);
}

}  // namespace

std::optional<double> MemberDrift::z() const { return std::max(cosine_z, norm_z); }

std::vector<MemberDrift> CompareDrifts(std::span<const DriftSample> samples) {
  double total = 0;
  for (const DriftSample& sample : samples) total += sample.weight;
  std::vector<MemberDrift> drifts;
  drifts.reserve(samples.size());  // Pointers into it are kept below.
  std::vector<std::pair<double, std::optional<double>*>> opposition, lengths;
  for (const DriftSample& sample : samples) {
    MemberDrift& drift = drifts.emplace_back(MemberDrift{.node = sample.node});
    if (!sample.reading.has_value() || !std::isfinite(sample.reading->squared_norm)) continue;
    const auto& [squared_norm, along_mean, squared_mean] = *sample.reading;
    const double p = total > 0 ? sample.weight / total : 0;
    drift.norm = std::sqrt(squared_norm);
    drift.cosine = Cosine(along_mean, squared_norm, squared_mean);
    drift.cosine_to_others = Cosine(along_mean - p * squared_norm, squared_norm,
                                    squared_mean - 2 * p * along_mean + p * p * squared_norm);
    if (!drift.cosine_to_others.has_value()) continue;
    opposition.emplace_back(-*drift.cosine_to_others, &drift.cosine_z);
    lengths.emplace_back(std::log(*drift.norm), &drift.norm_z);
  }
  Standardize(opposition, kLeastCosineScale);
  Standardize(lengths, kLeastNormScale);
  return drifts;
}

void OutlierWatch::Judge(std::span<MemberDrift> drifts, std::uint64_t steps) {
  std::map<runtime::NodeId, Record> before = std::exchange(records_, {});
  for (MemberDrift& drift : drifts) {
    Record& record = records_[drift.node] = before[drift.node];
    drift.outlier = record.last.outlier;
    if (steps < kFewestSteps) continue;
    const bool grounds = AreGrounds(record.last, drift);
    const bool quiet = !grounds && !(drift.z() >= kNear);
    record.quiet = quiet ? record.quiet + 1 : 0;
    drift.outlier = grounds || (drift.outlier && record.quiet < kQuietRounds);
    drift.changed = drift.outlier != record.last.outlier;
    record.last = drift;
  }
}

std::vector<runtime::NodeId> OutlierWatch::ToLeaveOut(
    std::span<const runtime::NodeId> members) const {
  std::vector<std::pair<double, runtime::NodeId>> outliers;
  for (const runtime::NodeId node : members) {
    const auto record = records_.find(node);
    if (record == records_.end() || !record->second.last.outlier) continue;
    outliers.emplace_back(-record->second.last.z().value_or(0), node);
  }
  std::ranges::sort(outliers);
  outliers.resize(std::min(outliers.size(), (std::max<std::size_t>(members.size(), 1) - 1) / 2));
  std::vector<runtime::NodeId> nodes;
  nodes.reserve(outliers.size());
  for (const auto& [z, node] : outliers) nodes.push_back(node);
  return nodes;
}

}  // namespace actors
