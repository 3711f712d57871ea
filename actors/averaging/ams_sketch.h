// A structured AMS sketch: `rows` estimates of a squared norm, each from `columns` buckets, linear
// in the vector (Alon, Matias, Szegedy 1996; buckets after Charikar, Chen, Farach-Colton 2002).
//
// Coordinate i of row r is added with sign s_r(i) to bucket h_r(i). Blocks of consecutive
// coordinates stay in order: a block is rotated as a whole by a pairwise independent hash of its
// number, so that a sketch is additions of vectors and no scatter. A block is no longer than a row,
// so two of its coordinates never share a bucket, and coordinates of two blocks share one with
// probability 1/columns. Signs are 4-wise independent and independent of the rotations. That is all
// that the bound on the variance of a row uses:
//   E ‖row‖² = ‖u‖²,  Var ‖row‖² = 2 sum_{i != j} u_i² u_j² Pr[h(i) = h(j)] <= 2/columns ‖u‖⁴.
// The rows are independent of each other. Everything follows from (seed, rows, columns), so
// sketches of all members of a run may be added.
#ifndef RONDO_ACTORS_AVERAGING_AMS_SKETCH_H_
#define RONDO_ACTORS_AVERAGING_AMS_SKETCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "actors/averaging/drift_kernels.h"

namespace actors {

struct AmsSketchOptions {
  std::size_t rows = 5;       // Odd, 1 to 63.
  std::size_t columns = 250;  // 16 to 65,535.
  std::uint64_t seed = 0;     // One for the run.
};

inline constexpr std::size_t kMaxSketchRows = 63;
inline constexpr std::size_t kMinSketchColumns = kLanes;
inline constexpr std::size_t kMaxSketchColumns = 65535;

// The hash tables for vectors of one length and the scratch of a pass. Used by one thread at a
// time. Holds about rows/7 bytes per coordinate; making it costs about 1 ns per coordinate and row.
class AmsSketch {
 public:
  // `options` lie in the ranges above; `coordinates` >= 1.
  AmsSketch(const AmsSketchOptions& options, std::size_t coordinates);

  std::size_t coordinates() const { return coordinates_; }
  std::size_t values() const { return options_.rows * options_.columns; }
  const SketchTables& tables() const { return tables_; }

  // Writes the sketch of local - base, rows x columns floats, row by row, and returns the squared
  // norm of local - base. Allocates nothing.
  double Sketch(std::span<const float> local, std::span<const float> base,
                std::span<float> sketch) {
    return Sketch(BestDriftKernels(), local, base, sketch);
  }
  double Sketch(const DriftKernels& kernels, std::span<const float> local,
                std::span<const float> base, std::span<float> sketch);

 private:
  AmsSketchOptions options_;
  std::size_t coordinates_;
  std::vector<std::uint16_t> rotations_;
  std::vector<SignWords> signs_;
  std::vector<float> drift_;
  std::vector<float> partial_;
  std::vector<double> sums_;
  SketchTables tables_;
};

// M2: the median over the rows of the row's squared norm. `sketch` is rows x columns, rows odd.
double MedianSquaredNorm(std::span<const double> sketch, std::size_t rows);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_AMS_SKETCH_H_
