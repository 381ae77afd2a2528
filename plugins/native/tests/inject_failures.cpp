/* SPDX-License-Identifier: MIT

   A library to preload (LD_PRELOAD) into Python or LAMMPS, in which allocations and threads fail on request:

       c++ -shared -fPIC inject_failures.cpp -o inject_failures.so

   count_allocations(first, last) starts a new count of the allocations of C++; those numbered from `first` to `last`
   throw std::bad_alloc. n_allocations() is the count. After limit_threads(n), n more threads of the C++ library can be
   created (those of BLAS and MPI are never refused); a process that is started with MLPOT_MOST_THREADS=n begins with
   that limit.

   In a process that is started with MLPOT_ALLOCATIONS_OF=name, only allocations of the library with that name in its path,
   and of what it calls, are counted. With MLPOT_FAILING_ALLOCATIONS="first last" the count begins at the start, and is
   printed at the end. */

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

std::atomic<bool> counting{false};
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

const char *const counted_library = std::getenv("MLPOT_ALLOCATIONS_OF");

std::atomic<std::uintptr_t> library_begin{0}, library_end{0};

/* Addresses of the counted library, once it is loaded. */
int find_library(dl_phdr_info *library, std::size_t, void *)
{
  if (!std::strstr(library->dlpi_name, counted_library)) return 0;
  std::uintptr_t end = 0;
  for (int k = 0; k < library->dlpi_phnum; k++) {
    const auto &segment = library->dlpi_phdr[k];
    if (segment.p_type == PT_LOAD)
      end = std::max<std::uintptr_t>(end, segment.p_vaddr + segment.p_memsz);
  }
  library_begin = library->dlpi_addr;
  library_end = library->dlpi_addr + end;
  return 1;
}

/* Stops at a caller in the counted library. */
_Unwind_Reason_Code find_caller(_Unwind_Context *caller, void *found)
{
  const std::uintptr_t address = _Unwind_GetIP(caller);
  if (address < library_begin || address >= library_end) return _URC_NO_REASON;
  *static_cast<bool *>(found) = true;
  return _URC_END_OF_STACK;
}

bool is_counted()
{
  if (!counted_library || !counting) return counting;
  if (!library_end) dl_iterate_phdr(find_library, nullptr);
  bool found = false;
  if (library_end) _Unwind_Backtrace(find_caller, &found);
  return found;
}

}    // namespace

extern "C" void count_allocations(long first, long last)
{
  first_failure = first;
  last_failure = last;
  count = 0;
  counting = true;
}

namespace {

__attribute__((constructor)) void begin()
{
  const char *const failing = std::getenv("MLPOT_FAILING_ALLOCATIONS");
  long first, last;
  if (failing && std::sscanf(failing, "%ld %ld", &first, &last) == 2)
    count_allocations(first, last);
}

__attribute__((destructor)) void end()
{
  if (counted_library && counting) std::fprintf(stderr, "%ld allocations counted\n", count.load());
}

void *allocate(std::size_t size, std::size_t alignment)
{
  const long number = is_counted() ? ++count : 0;
  void *memory = nullptr;
  if (number > 0 && first_failure <= number && number <= last_failure) throw std::bad_alloc();
  if (posix_memalign(&memory, alignment, size) != 0) throw std::bad_alloc();
  return memory;
}

}    // namespace

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
