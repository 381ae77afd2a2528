/* SPDX-License-Identifier: MIT

   A library to preload (LD_PRELOAD) into Python or LAMMPS, in which allocations and threads fail on request:

       c++ -shared -fPIC inject_failures.cpp -o inject_failures.so

   count_allocations(first, last) starts a new count of the allocations of C++; those numbered from `first` to `last`
   throw std::bad_alloc. n_allocations() is the count. After limit_threads(n), n more threads of the C++ library can be
   created (those of BLAS and MPI are never refused); a process that is started with MLPOT_MOST_THREADS=n begins with
   that limit. */

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

std::atomic<long> count{0}, first_failure{0}, last_failure{-1};

long limit_of_process()
{
  const char *const most = std::getenv("MLPOT_MOST_THREADS");
  return most ? std::atol(most) : LONG_MAX;
}

std::atomic<long> threads_left{limit_of_process()};

/* Whether a thread is one of std::thread, by the function that it starts with. */
bool is_of_cpp(void *(*action)(void *) )
{
  Dl_info library;
  return dladdr(reinterpret_cast<void *>(action), &library) != 0 &&
      std::strstr(library.dli_fname, "libstdc++");
}

void *allocate(std::size_t size, std::size_t alignment)
{
  const long number = ++count;
  void *memory = nullptr;
  if (first_failure <= number && number <= last_failure) throw std::bad_alloc();
  if (posix_memalign(&memory, alignment, size) != 0) throw std::bad_alloc();
  return memory;
}

}    // namespace

extern "C" void count_allocations(long first, long last)
{
  first_failure = first;
  last_failure = last;
  count = 0;
}

extern "C" long n_allocations()
{
  return count;
}

extern "C" void limit_threads(long most)
{
  threads_left = most;
}

extern "C" int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                              void *(*action)(void *), void *argument)
{
  using Create = decltype(&pthread_create);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (is_of_cpp(action) && threads_left-- <= 0) {
    threads_left = 0;
    return EAGAIN;
  }
  return create(thread, attributes, action, argument);
}

void *operator new(std::size_t size)
{
  return allocate(size, alignof(std::max_align_t));
}

void *operator new(std::size_t size, std::align_val_t alignment)
{
  return allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void *memory) noexcept
{
  std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
  std::free(memory);
}

void operator delete(void *memory, std::align_val_t) noexcept
{
  std::free(memory);
}
