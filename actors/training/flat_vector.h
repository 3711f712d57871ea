// A fixed number of floats, zero at first, at a 64-byte aligned address that never changes.
// C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_FLAT_VECTOR_H_
#define RONDO_ACTORS_TRAINING_FLAT_VECTOR_H_

#include <absl/types/span.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace actors {

class FlatVector {
 public:
  FlatVector() = default;
  explicit FlatVector(std::size_t size)
      : size_(size), data_(static_cast<float*>(::operator new(size * sizeof(float), kAlignment))) {
    SetZero();
  }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  absl::Span<float> span() { return {data(), size_}; }
  absl::Span<const float> span() const { return {data(), size_}; }
  void SetZero() { std::fill_n(data(), size_, 0.0f); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* data) const { ::operator delete(data, kAlignment); }
  };

  std::size_t size_ = 0;
  std::unique_ptr<float[], Free> data_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_FLAT_VECTOR_H_
