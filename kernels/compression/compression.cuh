#pragma once
// How the kernels of compression read vectors, and the draws they have in common.
#include "../philox.cuh"

// Entry i of a vector of float64 where `wide`, otherwise of float32. All threads take the same branch.
__device__ inline double real_at(const void* __restrict__ x, int wide, i64 i) {
  return wide ? ((const double*)x)[i] : (double)((const float*)x)[i];
}

// The bits of |x_i|: integers in the order of the magnitudes, infinity above all numbers, NaN above infinity.
__device__ inline u64 key_at(const void* __restrict__ x, int wide, i64 i) {
  return wide ? ((const u64*)x)[i] & ~(1ULL << 63) : (u64)(((const u32*)x)[i] & ~(1u << 31));
}

// Word of a draw among the four of its step.
__device__ inline u32 word_of(Words w, u32 draw) {
  u32 lane = draw & 3u;
  return lane == 0 ? w.w0 : lane == 1 ? w.w1 : lane == 2 ? w.w2 : w.w3;
}

// True with probability p exactly; `word` is the draw's first, others are drawn where it cannot decide.
__device__ inline bool happens(double p, u32 word, u64 key, u32 stream, u64 index, u32 draw) {
  for (u32 retry = 1;; ++retry) {
    p *= 0x1p32;
    double digit = floor(p);
    if ((double)word < digit) return true;
    if ((double)word > digit) return false;
    p -= digit;
    if (!(p > 0.0)) return false;
    word = word_of(random_words(key, stream, index, draw >> 2, retry), draw);
  }
}

// Integer below n, as `bounded`, from a word that is known; divides only where it may be rejected.
__device__ inline i64 bounded_by(u64 n, u32 word, u64 key, u32 stream, u64 index, u32 draw) {
  u64 product = word * n;
  if ((u32)product < n && (u32)product < (1ULL << 32) % n) return bounded(n, key, stream, index, draw);
  return (i64)(product >> 32);
}
