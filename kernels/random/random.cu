// Fillers of arrays with random numbers, as in cpu.py: entry i belongs to index start + i.
#include "../philox.cuh"

// out is (count, 4)
extern "C" __global__ void __launch_bounds__(256)
    fill_words(u64 key, u32 stream, u64 start, u32 step, i64 count, u32* __restrict__ out) {
  FOR_EACH(i, count) {
    Words w = random_words(key, stream, start + (u64)i, step, 0u);
    out[4 * i] = w.w0;
    out[4 * i + 1] = w.w1;
    out[4 * i + 2] = w.w2;
    out[4 * i + 3] = w.w3;
  }
}

extern "C" __global__ void __launch_bounds__(256)
    fill_uniform(u64 key, u32 stream, u64 start, u32 step, i64 count, double* __restrict__ out) {
  FOR_EACH(i, count) {
    Words w = random_words(key, stream, start + (u64)i, step, 0u);
    out[i] = to_uniform(w.w0, w.w1);
  }
}

extern "C" __global__ void __launch_bounds__(256)
    fill_exponential(u64 key, u32 stream, u64 start, u32 step, i64 count, double* __restrict__ out) {
  FOR_EACH(i, count) {
    Words w = random_words(key, stream, start + (u64)i, step, 0u);
    out[i] = to_exponential(w.w0, w.w1);
  }
}

extern "C" __global__ void __launch_bounds__(256)
    fill_integers(u64 bound, u64 key, u32 stream, u64 start, u32 step, i64 count, i64* __restrict__ out) {
  FOR_EACH(i, count) { out[i] = bounded(bound, key, stream, start + (u64)i, step << 2); }
}
