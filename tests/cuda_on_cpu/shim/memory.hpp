#pragma once
// Buffers that fault when a kernel leaves them, and shared memory that shows when it is read unset.
#include <sys/mman.h>

#include "language.hpp"

extern "C" char __start_cuda_shared[] __attribute__((weak));  // set by the linker
extern "C" char __stop_cuda_shared[] __attribute__((weak));

namespace shim {
static char* dynamic_shared = nullptr;
static size_t dynamic_bytes = 0;
static const size_t PAGE = 4096;

// A buffer ends, rounded up to 16 bytes, at an unmapped page; another such page lies before it.
static inline size_t round16(size_t n) { return (n + 15) / 16 * 16; }
static inline size_t whole_pages(size_t n) { return (round16(n ? n : 1) + PAGE - 1) / PAGE * PAGE; }
static void* guarded_alloc(size_t n) {
  char* m = (char*)mmap(nullptr, whole_pages(n) + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m == MAP_FAILED || mprotect(m + PAGE, whole_pages(n), PROT_READ | PROT_WRITE)) return nullptr;
  return m + PAGE + whole_pages(n) - round16(n);
}
static void guarded_free(void* p, size_t n) {
  munmap((char*)p + round16(n) - whole_pages(n) - PAGE, whole_pages(n) + 2 * PAGE);
}

// On a GPU shared memory starts undefined.
static inline void poison_shared() {
  if (__start_cuda_shared) memset(__start_cuda_shared, 0xA7, (size_t)(__stop_cuda_shared - __start_cuda_shared));
  if (dynamic_bytes) memset(dynamic_shared, 0xA7, dynamic_bytes);
}
}  // namespace shim
