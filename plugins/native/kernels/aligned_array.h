/* SPDX-License-Identifier: MIT

   Memory aligned to cache lines, as the vector loads of the kernels require. */

#ifndef MLPOT_ALIGNED_ARRAY_H
#define MLPOT_ALIGNED_ARRAY_H

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace mlpot {

template <typename T> class AlignedArray {
 public:
  static constexpr std::size_t ALIGNMENT = 64;

  AlignedArray() = default;
  explicit AlignedArray(std::size_t size) { assign(size); }

  /* Fills with zeros; memory is kept when the array shrinks. */
  void assign(std::size_t size)
  {
    reserve(size);
    std::fill_n(values.get(), size, T{});
  }

  /* Memory for `size` values, uninitialized. Without enough memory the array stays as it is. */
  void reserve(std::size_t size)
  {
    if (size <= capacity_) return;
    const std::size_t bytes = (size * sizeof(T) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    values.reset(static_cast<T *>(::operator new(bytes, std::align_val_t(ALIGNMENT))));
    capacity_ = size;
  }

  T *data() { return values.get(); }
  const T *data() const { return values.get(); }
  T &operator[](std::size_t k) { return values.get()[k]; }
  std::size_t bytes() const { return capacity_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T *pointer) const { ::operator delete(pointer, std::align_val_t(ALIGNMENT)); }
  };
  std::unique_ptr<T[], Free> values;
  std::size_t capacity_ = 0;
};

/* Total size of several arrays. */
template <typename Arrays> double bytes_of(const Arrays &arrays)
{
  double total = 0.0;
  for (const auto &array : arrays) total += static_cast<double>(array.bytes());
  return total;
}

}    // namespace mlpot

#endif
