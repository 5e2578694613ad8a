#pragma once
// Philox4x32-10 and the draws made of it: the same integers as kernels/random/reference.py.
#include "cuda.cuh"
#include "elementary.cuh"

struct Words {
  u32 w0, w1, w2, w3;
};

__device__ inline Words philox4x32(Words c, u64 key) {
  u32 k0 = (u32)key, k1 = (u32)(key >> 32);
  for (int round = 0; round < 10; ++round) {
    u64 p = (u64)0xD2511F53u * c.w0, q = (u64)0xCD9E8D57u * c.w2;
    c = {(u32)(q >> 32) ^ c.w1 ^ k0, (u32)q, (u32)(p >> 32) ^ c.w3 ^ k1, (u32)p};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// The four words of draw (index, step) in a stream.
__device__ inline Words random_words(u64 key, u32 stream, u64 index, u32 step, u32 retry) {
  return philox4x32({(u32)index, step, stream + (retry << 16), (u32)(index >> 32)}, key);
}

// Multiple of 2^-53 in [0, 1) from two words.
__device__ inline double to_uniform(u32 high, u32 low) {
  return (double)(((u64)high << 32 | low) >> 11) * 0x1p-53;
}

// Exponential deviate of mean 1 from two words.
__device__ inline double to_exponential(u32 high, u32 low) { return minus_log(1.0 - to_uniform(high, low)); }

// Integer in [0, bound), bound <= 2^32, exactly uniform: word draw mod 4 of step draw div 4, retried on rejection.
__device__ inline i64 bounded(u64 bound, u64 key, u32 stream, u64 index, u32 draw) {
  u64 rejected_below = (1ULL << 32) % bound;
  u32 lane = draw & 3u;
  for (u32 retry = 0;; ++retry) {
    Words w = random_words(key, stream, index, draw >> 2, retry);
    u32 word = lane == 0 ? w.w0 : lane == 1 ? w.w1 : lane == 2 ? w.w2 : w.w3;
    u64 product = word * bound;
    if ((u32)product >= rejected_below) return (i64)(product >> 32);
  }
}

// Category drawn by two words from an alias table of 2^bits cells.
__device__ inline int alias_draw(const u64* __restrict__ threshold, const int* __restrict__ alias, int bits, u32 high,
                                 u32 low) {
  u64 r = (u64)high << 32 | low;
  u64 cell = (r >> 1) >> (63 - bits);  // two shifts, since a shift by 64 is undefined
  u64 coin = ((r << bits) >> bits) >> 2;
  return coin < threshold[cell] ? (int)cell : alias[cell];
}
