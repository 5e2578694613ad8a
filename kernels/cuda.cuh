#pragma once
// What every CUDA file of the package starts from: no standard headers (NVRTC has none), fixed-width types.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// Dynamic shared memory, under a name of one's own; the CPU build of the tests brings its own definition.
#ifndef DYN_SHARED
#define DYN_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char name##_raw[]; \
  T* name = reinterpret_cast<T*>(name##_raw)
#endif

// Share the indices 0, ..., count - 1 out among all threads of a one-dimensional grid of any size.
#define FOR_EACH(i, count)                                                        \
  for (i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x; i < (count); i += (i64)gridDim.x * blockDim.x)
