// Compiled once per CpuLevel, RONDO_KERNEL_VARIANT naming the variant's namespace. Nothing of the
// standard library is used here; runtime/base/kernel_table.h says why.
#include "actors/averaging/drift_kernel_table.h"

namespace actors {
namespace RONDO_KERNEL_VARIANT {

extern const DriftKernels kTable;

namespace {

#define RONDO_INLINE inline __attribute__((always_inline))

// Two chains of 16 lanes hide the latency of an addition; 16 terms per lane keep floats accurate.
constexpr std::size_t kTile = 32 * kLanes;
// Blocks whose buckets are added in float before they go to double.
constexpr std::size_t kBlocksPerFlush = 64;
constexpr std::uint32_t kSignBit = 0x80000000u;
constexpr std::size_t kWordBits = 32;

// One register, as wide as the instruction set has it: compilers handle wider vectors badly.
#if defined(__AVX512F__)
constexpr std::size_t kRegisterBytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t kRegisterBytes = 32;
#else
constexpr std::size_t kRegisterBytes = 16;
#endif
typedef float FloatRegister __attribute__((vector_size(kRegisterBytes)));
typedef std::uint32_t WordRegister __attribute__((vector_size(kRegisterBytes)));
// As many floats as a register has doubles.
typedef float FloatHalf __attribute__((vector_size(kRegisterBytes / 2)));
typedef double DoubleRegister __attribute__((vector_size(kRegisterBytes)));

// 16 lanes as a balanced tree of registers; operations go lane by lane.
template <typename T>
struct Pair {
  T low;
  T high;
};

template <typename Register, std::size_t bytes>
struct LanesOf {
  using Type = Pair<typename LanesOf<Register, bytes / 2>::Type>;
};
template <typename Register>
struct LanesOf<Register, kRegisterBytes> {
  using Type = Register;
};
using Floats = LanesOf<FloatRegister, kLanes * sizeof(float)>::Type;
using Words = LanesOf<WordRegister, kLanes * sizeof(std::uint32_t)>::Type;

template <typename T>
RONDO_INLINE Pair<T> operator+(const Pair<T>& a, const Pair<T>& b) {
  return {a.low + b.low, a.high + b.high};
}
template <typename T>
RONDO_INLINE Pair<T> operator-(const Pair<T>& a, const Pair<T>& b) {
  return {a.low - b.low, a.high - b.high};
}
template <typename T>
RONDO_INLINE Pair<T> operator*(const Pair<T>& a, const Pair<T>& b) {
  return {a.low * b.low, a.high * b.high};
}
template <typename T>
RONDO_INLINE Pair<T> operator<<(const Pair<T>& a, std::uint32_t bits) {
  return {a.low << bits, a.high << bits};
}

// `value`, negated in the lanes where the top bit of `signs` is set.
RONDO_INLINE FloatRegister Negate(FloatRegister value, WordRegister signs) {
  return reinterpret_cast<FloatRegister>(reinterpret_cast<WordRegister>(value) ^
                                         (signs & kSignBit));
}
template <typename F, typename W>
RONDO_INLINE Pair<F> Negate(const Pair<F>& value, const Pair<W>& signs) {
  return {Negate(value.low, signs.low), Negate(value.high, signs.high)};
}

// Memory is read and written register by register: copies of a whole Pair go through the stack.
template <typename T>
struct Memory {
  static RONDO_INLINE T Load(const void* from) {
    T value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
  }
  static RONDO_INLINE void Store(const T& value, void* to) {
    __builtin_memcpy(to, &value, sizeof(value));
  }
};
template <typename T>
struct Memory<Pair<T>> {
  static RONDO_INLINE Pair<T> Load(const void* from) {
    return {Memory<T>::Load(from), Memory<T>::Load(static_cast<const char*>(from) + sizeof(T))};
  }
  static RONDO_INLINE void Store(const Pair<T>& value, void* to) {
    Memory<T>::Store(value.low, to);
    Memory<T>::Store(value.high, static_cast<char*>(to) + sizeof(T));
  }
};

RONDO_INLINE Floats Load(const float* from) { return Memory<Floats>::Load(from); }
RONDO_INLINE void Store(const Floats& value, float* to) { Memory<Floats>::Store(value, to); }

// The first `count` < kLanes floats, the rest 0.
RONDO_INLINE Floats LoadPartial(const float* from, std::size_t count) {
  float padded[kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) padded[i] = from[i];
  return Load(padded);
}

struct Doubles {
  double lane[kLanes] = {};
};

RONDO_INLINE void AddTo(Doubles& sums, const Floats& value) {
  float lane[kLanes];
  Store(value, lane);
  for (std::size_t i = 0; i < kLanes; ++i) sums.lane[i] += static_cast<double>(lane[i]);
}

RONDO_INLINE double Total(const Doubles& lanes) {
  double total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) total += lanes.lane[i];
  return total;
}

// Sums over a tile of at most kTile floats, in float; flushed to double by the caller.
struct TileSums {
  Floats norm[2] = {};
  Floats projection[2] = {};
};

template <bool kAlong>
RONDO_INLINE void AddVector(Floats drift, Floats direction, int chain, TileSums& sums) {
  sums.norm[chain] = sums.norm[chain] + drift * drift;
  if constexpr (kAlong) sums.projection[chain] = sums.projection[chain] + drift * direction;
}

struct Sums {
  Doubles norm = {};
  Doubles projection = {};
};

// Adds the sums over n <= kTile floats to `sums`. With kStore, the n floats at `out` get the drift.
template <bool kAlong, bool kStore>
RONDO_INLINE void AddTile(const float* local, const float* base, const float* direction,
                          std::size_t n, float* out, Sums& sums) {
  TileSums tile;
  const auto add = [&](std::size_t i, int chain) __attribute__((always_inline)) {
    const Floats drift = Load(local + i) - Load(base + i);
    if constexpr (kStore) Store(drift, out + i);
    AddVector<kAlong>(drift, kAlong ? Load(direction + i) : drift, chain, tile);
  };
  std::size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    add(i, 0);
    add(i + kLanes, 1);
  }
  if (i + kLanes <= n) {
    add(i, 0);
    i += kLanes;
  }
  if (i < n) {
    const std::size_t rest = n - i;
    const Floats drift = LoadPartial(local + i, rest) - LoadPartial(base + i, rest);
    if constexpr (kStore) {
      float lanes[kLanes];
      Store(drift, lanes);
      for (std::size_t lane = 0; lane < rest; ++lane) out[i + lane] = lanes[lane];
    }
    AddVector<kAlong>(drift, kAlong ? LoadPartial(direction + i, rest) : drift, 1, tile);
  }
  AddTo(sums.norm, tile.norm[0] + tile.norm[1]);
  if constexpr (kAlong) AddTo(sums.projection, tile.projection[0] + tile.projection[1]);
}

template <bool kAlong, bool kStore>
RONDO_INLINE DriftSums Pass(const float* local, const float* base, const float* direction,
                            std::size_t n, float* out) {
  Sums sums;
  std::size_t begin = 0;
  // The length is a constant in this loop, so the compiler sees no tail in it.
  for (; begin + kTile <= n; begin += kTile) {
    AddTile<kAlong, kStore>(local + begin, base + begin, kAlong ? direction + begin : nullptr,
                            kTile, kStore ? out + begin : nullptr, sums);
  }
  if (begin < n) {
    AddTile<kAlong, kStore>(local + begin, base + begin, kAlong ? direction + begin : nullptr,
                            n - begin, kStore ? out + begin : nullptr, sums);
  }
  return {Total(sums.norm), kAlong ? Total(sums.projection) : 0.0};
}

double SquaredNorm(const float* local, const float* base, std::size_t n) {
  return Pass<false, false>(local, base, nullptr, n, nullptr).squared_norm;
}

DriftSums Along(const float* local, const float* base, const float* direction, std::size_t n) {
  return Pass<true, false>(local, base, direction, n, nullptr);
}

double StoreDrift(const float* local, const float* base, std::size_t n, float* drift) {
  return Pass<false, true>(local, base, nullptr, n, drift).squared_norm;
}

// 8 lanes of doubles: what the widest register has, so that all variants add in one order.
constexpr std::size_t kDoubleLanes = 8;
constexpr std::size_t kDoubleRegisters = kDoubleLanes * sizeof(double) / kRegisterBytes;

struct WideSum {
  DoubleRegister part[kDoubleRegisters] = {};
};

RONDO_INLINE double Total(const WideSum& sum) {
  double lanes[kDoubleLanes];
  __builtin_memcpy(lanes, sum.part, sizeof(lanes));
  double total = 0;
  for (std::size_t lane = 0; lane < kDoubleLanes; ++lane) total += lanes[lane];
  return total;
}

RONDO_INLINE DoubleRegister Widen(const float* from) {
  return __builtin_convertvector(Memory<FloatHalf>::Load(from), DoubleRegister);
}

struct ReadingSums {
  WideSum norm;
  WideSum along;
  WideSum mean;
};

RONDO_INLINE void AddReading(const float* local, const float* base, const float* newer,
                             ReadingSums& sums) {
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kDoubleRegisters; ++i) {
    const std::size_t at = i * (kDoubleLanes / kDoubleRegisters);
    const DoubleRegister origin = Widen(base + at);
    const DoubleRegister drift = Widen(local + at) - origin;
    const DoubleRegister mean = Widen(newer + at) - origin;
    sums.norm.part[i] += drift * drift;
    sums.along.part[i] += drift * mean;
    sums.mean.part[i] += mean * mean;
  }
}

DriftReading Read(const float* local, const float* base, const float* newer, std::size_t n) {
  ReadingSums sums;
  std::size_t i = 0;
  for (; i + kDoubleLanes <= n; i += kDoubleLanes) {
    AddReading(local + i, base + i, newer + i, sums);
  }
  if (i < n) {
    float rest[3][kDoubleLanes] = {};
    for (std::size_t lane = 0; i + lane < n; ++lane) {
      rest[0][lane] = local[i + lane];
      rest[1][lane] = base[i + lane];
      rest[2][lane] = newer[i + lane];
    }
    AddReading(rest[0], rest[1], rest[2], sums);
  }
  return {Total(sums.norm), Total(sums.along), Total(sums.mean)};
}

// Adds the signed drift of block number `block` to every row of `scratch.partial`. Rows are the
// outer loop: a bucket is not read again while its last store is still on its way.
RONDO_INLINE void AddBlock(const SketchTables& tables, std::size_t block,
                           const SketchScratch& scratch) {
  const std::size_t group = block / tables.blocks_per_group;
  const std::size_t first_vector = block % tables.blocks_per_group * tables.vectors_per_block;
  const std::size_t width = tables.width();
  for (std::size_t row = 0; row < tables.rows; ++row) {
    const SignWords* words = tables.signs + (group * tables.rows + row) * tables.words_per_group +
                             first_vector / kWordBits;
    std::size_t used = first_vector % kWordBits;
    const float* drift = scratch.drift;
    float* bucket = scratch.partial + row * width + tables.rotations[block * tables.rows + row];
    for (std::size_t left = tables.vectors_per_block; left > 0; used = 0, ++words) {
      Words signs = Memory<Words>::Load(words->lane) << static_cast<std::uint32_t>(used);
      const std::size_t in_word = kWordBits - used;
      const std::size_t run = left < in_word ? left : in_word;
      for (std::size_t vector = 0; vector < run; ++vector) {
        // The present sign is the top bit of each lane; doubling brings up the next one.
        Store(Load(bucket) + Negate(Load(drift), signs), bucket);
        signs = signs + signs;
        drift += kLanes;
        bucket += kLanes;
      }
      left -= run;
    }
  }
}

RONDO_INLINE void FlushPartial(std::size_t count, const SketchScratch& scratch) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      scratch.sums[i + lane] += static_cast<double>(scratch.partial[i + lane]);
    }
    Store(Floats{}, scratch.partial + i);
  }
}

double Sketch(const SketchTables& tables, const float* local, const float* base, std::size_t n,
              const SketchScratch& scratch, float* sketch) {
  const std::size_t block = tables.block();
  const std::size_t width = tables.width();
  const std::size_t count = tables.rows * width;
  for (std::size_t i = 0; i < count; ++i) {
    scratch.partial[i] = 0;
    scratch.sums[i] = 0;
  }
  Sums sums;
  for (std::size_t number = 0, begin = 0; begin < n; ++number, begin += block) {
    const std::size_t length = n - begin < block ? n - begin : block;
    for (std::size_t i = length; i < block; ++i) scratch.drift[i] = 0;
    for (std::size_t i = 0; i < length; i += kTile) {
      const std::size_t tile = length - i < kTile ? length - i : kTile;
      AddTile<false, true>(local + begin + i, base + begin + i, nullptr, tile, scratch.drift + i,
                           sums);
    }
    AddBlock(tables, number, scratch);
    if ((number + 1) % kBlocksPerFlush == 0) FlushPartial(count, scratch);
  }
  FlushPartial(count, scratch);
  for (std::size_t row = 0; row < tables.rows; ++row) {
    const double* from = scratch.sums + row * width;
    for (std::size_t column = 0; column < tables.columns; ++column) {
      // What went past the last column belongs to the first ones.
      const double wrapped = column < block ? from[tables.columns + column] : 0.0;
      sketch[row * tables.columns + column] = static_cast<float>(from[column] + wrapped);
    }
  }
  return Total(sums.norm);
}

}  // namespace

const DriftKernels kTable = {
    .squared_norm = SquaredNorm,
    .along = Along,
    .read = Read,
    .store = StoreDrift,
    .sketch = Sketch,
};

}  // namespace RONDO_KERNEL_VARIANT
}  // namespace actors
