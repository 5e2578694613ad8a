// Norms summed in the order of cpu_rounding.py, and unbiased stochastic rounding: the same bits.
#include "compression.cuh"

// Keys of magnitudes: top = max(top, the largest key of x).
extern "C" __global__ void __launch_bounds__(256)
    largest_key(const void* __restrict__ x, int wide, i64 d, u64* __restrict__ top) {
  u64 own = 0;
  FOR_EACH(i, d) { own = max(own, key_at(x, wide, i)); }
  for (int step = 16; step; step >>= 1) own = max(own, __shfl_xor_sync(0xffffffffu, own, step));
  if ((threadIdx.x & 31u) == 0) atomicMax(top, own);
}

// Thread j of 256: the sum of |x_i / unit|, or its square, over i = j, j + 256, ..., one after the other; unit is
// the power of two at the largest magnitude, whose key is *top, but at least 2^-1022. A thread reads 16 entries
// ahead; the zeros that it adds behind the last one change nothing.
#define LANES 256
#define AHEAD 16
extern "C" __global__ void __launch_bounds__(32)
    add_lanes(const void* __restrict__ x, int wide, i64 d, const u64* __restrict__ top, int squares,
              double* __restrict__ lanes) {
  double largest = wide ? __longlong_as_double((i64)*top) : (double)__uint_as_float((u32)*top);
  u64 exponent = (u64)__double_as_longlong(largest) >> 52;
  double per_unit = 1.0 / __longlong_as_double((i64)(max(exponent, 1ULL) << 52));
  int lane = blockIdx.x * 32 + threadIdx.x;
  double sum = 0.0;
  for (i64 begin = lane; begin < d; begin += LANES * AHEAD) {
    double terms[AHEAD];
#pragma unroll
    for (int a = 0; a < AHEAD; ++a) {
      i64 i = begin + a * LANES;
      terms[a] = (i < d ? real_at(x, wide, i) : 0.0) * per_unit;
    }
#pragma unroll
    for (int a = 0; a < AHEAD; ++a) sum += squares ? terms[a] * terms[a] : fabs(terms[a]);
  }
  lanes[lane] = sum;
}

// s x / norm rounded to integers without bias; zeros where the norm is zero, infinite or NaN
extern "C" __global__ void __launch_bounds__(256)
    levels(const void* __restrict__ x, int wide, i64 d, double norm, double s, u64 key, u32 stream, u64 index,
           int* __restrict__ out) {
  bool is_norm = norm > 0.0 && norm < __longlong_as_double(0x7ff0000000000000LL);
  FOR_EACH(group, (d + 3) / 4) {
    Words w = random_words(key, stream, index, (u32)group, 0u);
    for (i64 j = 4 * group; j < d && j < 4 * group + 4; ++j) {
      double value = real_at(x, wide, j);
      int level = 0;
      if (is_norm) {
        double position = fabs(value) / norm * s;
        level = (int)position;
        level += happens(position - level, word_of(w, (u32)j), key, stream, index, (u32)j);
      }
      out[j] = value < 0.0 ? -level : level;
    }
  }
}

// Sign and exponent field of the entries rounded to powers of two without bias
extern "C" __global__ void __launch_bounds__(256)
    natural(const void* __restrict__ x, int wide, i64 d, u64 key, u32 stream, u64 index, int* __restrict__ out) {
  int mantissa_bits = wide ? 52 : 23, last_field = wide ? 2047 : 255;
  double scale = wide ? 0x1p-52 : 0x1p-23;
  FOR_EACH(group, (d + 3) / 4) {
    Words w = random_words(key, stream, index, (u32)group, 0u);
    for (i64 j = 4 * group; j < d && j < 4 * group + 4; ++j) {
      u64 magnitude = key_at(x, wide, j);
      bool is_negative = wide ? ((const i64*)x)[j] < 0 : ((const int*)x)[j] < 0;
      int field = (int)(magnitude >> mantissa_bits);
      if (field < last_field) {
        double p = (double)(magnitude & ((1ULL << mantissa_bits) - 1)) * scale;
        field += happens(p, word_of(w, (u32)j), key, stream, index, (u32)j);
      }
      out[j] = is_negative ? last_field + 1 + field : field;
    }
  }
}
