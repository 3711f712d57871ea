// A float vector of fixed length, aligned to a cache line, zero at first.
#ifndef RONDO_RUNTIME_BASE_ALIGNED_BUFFER_H_
#define RONDO_RUNTIME_BASE_ALIGNED_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace runtime {

class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t floats)
      : floats_(floats),
        data_(static_cast<float*>(
            ::operator new[](floats * sizeof(float), std::align_val_t{kAlignment}))) {
    std::fill_n(data_.get(), floats_, 0.0F);
  }

  std::span<float> span() { return {data_.get(), floats_}; }
  std::span<const float> span() const { return {data_.get(), floats_}; }
  std::size_t size() const { return floats_; }

  friend void swap(AlignedBuffer& a, AlignedBuffer& b) noexcept {
    std::swap(a.floats_, b.floats_);
    std::swap(a.data_, b.data_);
  }

 private:
  struct Delete {
    void operator()(float* data) const { ::operator delete[](data, std::align_val_t{kAlignment}); }
  };
  std::size_t floats_ = 0;
  std::unique_ptr<float[], Delete> data_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_ALIGNED_BUFFER_H_
