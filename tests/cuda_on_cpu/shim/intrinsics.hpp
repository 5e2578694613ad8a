#pragma once
// CUDA's built-in functions: barriers, warp operations, bit tricks, rounding arithmetic, atomics.
#ifdef SHIM_THREADS
#include "threads.hpp"
#else
#include "fibers.hpp"
#endif

using std::max;
using std::min;

static inline void __syncthreads() { shim::barrier(shim::PLAIN, false); }
static inline int __syncthreads_or(int p) { return shim::barrier(shim::OR, p != 0); }
static inline int __syncthreads_and(int p) { return shim::barrier(shim::AND, p != 0); }
static inline int __syncthreads_count(int p) { return shim::barrier(shim::COUNT, p != 0); }
static inline void __syncwarp(unsigned mask = ~0u) { shim::warp_op(mask, 0); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

// l is the calling lane, [lo, lo + w) its segment, FROM the lane that it reads
#define SHIM_SHUFFLE(NAME, X, FROM)                                       \
  template <class T> static inline T NAME(unsigned mask, T v, X x, int w = 32) { \
    int l = (int)(shim::current % 32), lo = l & ~(w - 1);                 \
    (void)lo;                                                             \
    uint64_t* values = shim::warp_op(mask, shim::pack(v));                \
    return shim::bits<T>(values[FROM]);                                   \
  }
SHIM_SHUFFLE(__shfl_sync, int, lo + (x & (w - 1)))
SHIM_SHUFFLE(__shfl_up_sync, unsigned, l - (int)x >= lo ? l - (int)x : l)
SHIM_SHUFFLE(__shfl_down_sync, unsigned, l + (int)x < lo + w ? l + (int)x : l)
SHIM_SHUFFLE(__shfl_xor_sync, int, (l ^ x) < lo + w ? l ^ x : l)
static inline unsigned __ballot_sync(unsigned mask, int p) {
  unsigned needed = mask & shim::lanes_of_warp(shim::current / 32), ballot = 0;
  uint64_t* values = shim::warp_op(mask, p != 0);
  for (unsigned l = 0; l < 32; ++l)
    if ((needed >> l & 1) && values[l]) ballot |= 1u << l;
  return ballot;
}
static inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
static inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
static inline unsigned __float_as_uint(float v) { return shim::bits<unsigned>(v); }
static inline int __float_as_int(float v) { return shim::bits<int>(v); }
static inline float __uint_as_float(unsigned v) { return shim::bits<float>(v); }
static inline float __int_as_float(int v) { return shim::bits<float>(v); }
static inline long long __double_as_longlong(double v) { return shim::bits<long long>(v); }
static inline double __longlong_as_double(long long v) { return shim::bits<double>(v); }
static inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
template <class T> static inline T __ldg(const T* p) { return *p; }

namespace shim {
template <class T, class F> static inline T read_modify_write(T* p, F f) {
  maybe_preempt();
#ifdef SHIM_THREADS
  T old, changed;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do {
    changed = f(old);
  } while (!__atomic_compare_exchange(p, &old, &changed, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
#else
  T old = *p;
  *p = f(old);
  return old;
#endif
}
}  // namespace shim

#define SHIM_ATOMIC(NAME, EXPRESSION)                                                        \
  template <class T> static inline T NAME(T* p, std::common_type_t<T> v) {                   \
    return shim::read_modify_write(p, [v](T old) { (void)old; return (T)(EXPRESSION); });    \
  }
SHIM_ATOMIC(atomicAdd, old + v)
SHIM_ATOMIC(atomicSub, old - v)
SHIM_ATOMIC(atomicMax, old > v ? old : v)
SHIM_ATOMIC(atomicMin, old < v ? old : v)
SHIM_ATOMIC(atomicExch, v)
SHIM_ATOMIC(atomicOr, old | v)
SHIM_ATOMIC(atomicAnd, old & v)
SHIM_ATOMIC(atomicXor, old ^ v)
template <class T> static inline T atomicCAS(T* p, std::common_type_t<T> compare, std::common_type_t<T> v) {
  return shim::read_modify_write(p, [compare, v](T old) { return old == compare ? (T)v : old; });
}
