#pragma once
// CUDA's words as plain C++: qualifiers, vector types, built-in variables.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#ifdef SHIM_THREADS
#define SHIM_TLS thread_local
#else
#define SHIM_TLS
#endif

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __shared__ static __attribute__((section("cuda_shared")))
#define DYN_SHARED(T, name) T* name = reinterpret_cast<T*>(shim::dynamic_shared)

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
#define SHIM_VECTOR(T, N)                                         \
  struct N##2 {                                                   \
    T x, y;                                                       \
  };                                                              \
  struct N##4 {                                                   \
    T x, y, z, w;                                                 \
  };                                                              \
  static inline N##2 make_##N##2(T a, T b) { return {a, b}; }     \
  static inline N##4 make_##N##4(T a, T b, T c, T d) { return {a, b, c, d}; }
SHIM_VECTOR(float, float)
SHIM_VECTOR(double, double)
SHIM_VECTOR(int, int)
SHIM_VECTOR(unsigned, uint)

static SHIM_TLS uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

namespace shim {
static std::string error;  // the first one of a launch

static inline void fail(const std::string& message) {
  if (error.empty()) error = message;
}
static inline unsigned block_size() { return blockDim.x * blockDim.y * blockDim.z; }
static inline void set_thread(unsigned t) {
  threadIdx = {t % blockDim.x, (t / blockDim.x) % blockDim.y, t / (blockDim.x * blockDim.y)};
}
static inline uint32_t lanes_of_warp(unsigned warp) {
  unsigned n = block_size() - 32 * warp;
  return n >= 32 ? ~0u : (1u << n) - 1;
}
static inline std::string place(const char* what, uint3 v) {
  return what + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z);
}
template <class To, class From> static inline To bits(From v) {
  static_assert(sizeof(To) <= sizeof(From));
  To t;
  memcpy(&t, &v, sizeof(To));
  return t;
}
template <class T> static inline uint64_t pack(T v) {
  static_assert(sizeof(T) <= 8);
  uint64_t u = 0;
  memcpy(&u, &v, sizeof(T));
  return u;
}
}  // namespace shim
