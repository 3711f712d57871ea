#include "actors/averaging/ams_sketch.h"

#include <algorithm>

#include "actors/averaging/polynomial_hash.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr std::size_t kWordBits = 32;

std::size_t DivideUp(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

SketchTables Shape(const AmsSketchOptions& options) {
  SketchTables tables;
  tables.rows = options.rows;
  tables.columns = options.columns;
  tables.vectors_per_block = options.columns / kLanes;
  tables.blocks_per_group = std::max<std::size_t>(1, kWordBits / tables.vectors_per_block);
  tables.words_per_group = DivideUp(tables.blocks_per_group * tables.vectors_per_block, kWordBits);
  return tables;
}

// Fills the sign bits of one row, coordinates in order.
void FillSigns(const SketchTables& tables, std::size_t groups, std::size_t row,
               const CubicHash& hash, std::vector<SignWords>& signs) {
  const std::size_t vectors = tables.blocks_per_group * tables.vectors_per_block;
  CubicSequence sequence(hash);
  for (std::size_t group = 0; group < groups; ++group) {
    SignWords* words = signs.data() + (group * tables.rows + row) * tables.words_per_group;
    for (std::size_t vector = 0; vector < vectors; ++vector) {
      SignWords& word = words[vector / kWordBits];
      const std::size_t shift = kWordBits - 1 - vector % kWordBits;
      for (std::uint32_t& lane : word.lane) {
        lane |= static_cast<std::uint32_t>(sequence.Next() & 1) << shift;
      }
    }
  }
}

}  // namespace

AmsSketch::AmsSketch(const AmsSketchOptions& options, std::size_t coordinates)
    : options_(options), coordinates_(coordinates) {
  REQUIRE(options.rows >= 1 && options.rows <= kMaxSketchRows && options.rows % 2 == 1);
  REQUIRE(options.columns >= kMinSketchColumns && options.columns <= kMaxSketchColumns);
  REQUIRE(coordinates >= 1);
  tables_ = Shape(options);
  const std::size_t groups = DivideUp(coordinates, tables_.block() * tables_.blocks_per_group);
  const std::size_t blocks = groups * tables_.blocks_per_group;
  rotations_.resize(blocks * options.rows);
  signs_.resize(groups * options.rows * tables_.words_per_group);
  FieldRandom random(options.seed);
  for (std::size_t row = 0; row < options.rows; ++row) {
    FillSigns(tables_, groups, row, CubicHash::Draw(random), signs_);
    const LinearHash rotation = LinearHash::Draw(random);
    for (std::size_t block = 0; block < blocks; ++block) {
      rotations_[block * options.rows + row] =
          static_cast<std::uint16_t>(rotation.At(block) % options.columns);
    }
  }
  drift_.resize(tables_.block());
  partial_.resize(options.rows * tables_.width());
  sums_.resize(options.rows * tables_.width());
  tables_.rotations = rotations_.data();
  tables_.signs = signs_.data();
}

double AmsSketch::Sketch(const DriftKernels& kernels, std::span<const float> local,
                         std::span<const float> base, std::span<float> sketch) {
  REQUIRE(local.size() == coordinates_ && base.size() == coordinates_);
  REQUIRE(sketch.size() == values());
  const SketchScratch scratch = {
      .drift = drift_.data(), .partial = partial_.data(), .sums = sums_.data()};
  return kernels.sketch(tables_, local.data(), base.data(), coordinates_, scratch, sketch.data());
}

double MedianSquaredNorm(std::span<const double> sketch, std::size_t rows) {
  REQUIRE(rows >= 1 && rows <= kMaxSketchRows && rows % 2 == 1 && sketch.size() % rows == 0);
  const std::size_t columns = sketch.size() / rows;
  double squared_norms[kMaxSketchRows] = {};
  for (std::size_t row = 0; row < rows; ++row) {
    for (const double bucket : sketch.subspan(row * columns, columns)) {
      squared_norms[row] += bucket * bucket;
    }
  }
  std::nth_element(squared_norms, squared_norms + rows / 2, squared_norms + rows);
  return squared_norms[rows / 2];
}

}  // namespace actors
