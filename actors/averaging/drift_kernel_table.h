// The passes over whole vectors that a worker makes at every step: drift, norm, projection, sketch.
//
// drift_kernels.cc is compiled once per CpuLevel and includes only this header; callers use
// drift_kernels.h. All variants give the same bits: they work on 16 lanes whatever the register
// width, never contract a*b+c, and add in one fixed order. Pure functions, any thread.
//
// Accuracy: at most 16 float terms are added in a lane before it is flushed to double, so a squared
// norm is within 1e-6 (relative) of the exact sum for every vector and every length.
#ifndef RONDO_ACTORS_AVERAGING_DRIFT_KERNEL_TABLE_H_
#define RONDO_ACTORS_AVERAGING_DRIFT_KERNEL_TABLE_H_

#include <cstddef>
#include <cstdint>

namespace actors {

// Coordinates handled side by side; the unit of every table below.
inline constexpr std::size_t kLanes = 16;

struct alignas(64) SignWords {
  std::uint32_t lane[kLanes] = {};
};

// The hash functions of an AMS sketch in the form that the kernel reads (ams_sketch.h explains).
struct SketchTables {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t vectors_per_block = 0;  // A block has this many times kLanes coordinates.
  std::size_t blocks_per_group = 0;   // Blocks whose sign bits share words.
  std::size_t words_per_group = 0;    // SignWords per row and group.
  // [block][row], each below `columns`.
  const std::uint16_t* rotations = nullptr;
  // [group][row][word]. Vector number v of the group takes bit 31 - v % 32 of word v / 32; 1 =
  // minus.
  const SignWords* signs = nullptr;

  std::size_t block() const { return vectors_per_block * kLanes; }
  // Floats per row of the scratch: a block rotated to the last column fits without wrapping.
  std::size_t width() const { return (columns + block() + kLanes - 1) / kLanes * kLanes; }
};

// Written by the sketch kernel, owned by its caller; contents need not be kept or cleared.
struct SketchScratch {
  float* drift = nullptr;    // block() floats.
  float* partial = nullptr;  // rows * width() floats.
  double* sums = nullptr;    // rows * width() doubles.
};

struct DriftSums {
  double squared_norm = 0;  // ‖local - base‖².
  double projection = 0;    // <direction, local - base>.
};

// How a member's drift u lies to the mean drift m = newer base - base of the round it is in.
struct DriftReading {
  double squared_norm = 0;  // ‖u‖².
  double along_mean = 0;    // <u, m>.
  double squared_mean = 0;  // ‖m‖²; equal on all members of the round.
};

// All vectors have `n` floats and need no alignment. The drift is rounded to float before it is
// used, as the ring does, except by `read`. A drift that is not finite, or whose squares overflow,
// gives a norm that is not.
struct DriftKernels {
  double (*squared_norm)(const float* local, const float* base, std::size_t n);
  DriftSums (*along)(const float* local, const float* base, const float* direction, std::size_t n);
  // Differences, products and sums in double: within 1e-12 of the exact sums.
  DriftReading (*read)(const float* local, const float* base, const float* newer, std::size_t n);
  // Stores the drift and returns its squared norm.
  double (*store)(const float* local, const float* base, std::size_t n, float* drift);
  // Writes rows * columns floats to `sketch` and returns the squared norm of the drift.
  double (*sketch)(const SketchTables& tables, const float* local, const float* base, std::size_t n,
                   const SketchScratch& scratch, float* sketch);
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_DRIFT_KERNEL_TABLE_H_
