// Gossip, with the numbers of cpu.py: each entry of a result is one sum from left to right, by one thread.
#include "../cuda.cuh"

// Share the entries of a matrix out among all threads. Rows go along x of the grid: blocks that run at the same
// time then need few columns of all rows, which the cache holds. Neighbouring threads have neighbouring columns.
#define FOR_EACH_ENTRY(row, column, rows, columns)                                                              \
  for (i64 column = blockIdx.y * (i64)blockDim.x + threadIdx.x; column < (columns);                             \
       column += (i64)gridDim.y * blockDim.x)                                                                   \
    for (i64 row = blockIdx.x * (i64)blockDim.y + threadIdx.y; row < (rows); row += (i64)gridDim.x * blockDim.y)

// Bounds (256, 6): 6 blocks a multiprocessor leave a thread 40 registers; for 8 blocks some compilers spill them.

// Entry (i, c) of W X. No row of W is empty.
template <typename T>
__device__ inline T product(const u64* __restrict__ indptr, const u32* __restrict__ indices,
                            const T* __restrict__ weights, const T* __restrict__ X, i64 d, i64 i, i64 c) {
  u64 t = indptr[i], end = indptr[i + 1];
  T sum = weights[t] * X[indices[t] * d + c];
  for (++t; t < end; ++t) sum += weights[t] * X[indices[t] * d + c];
  return sum;
}

// Y = W X
template <typename T>
__device__ inline void mix(const u64* __restrict__ indptr, const u32* __restrict__ indices,
                           const T* __restrict__ weights, i64 n, i64 d, const T* __restrict__ X, T* __restrict__ Y) {
  FOR_EACH_ENTRY(i, c, n, d) { Y[i * d + c] = product(indptr, indices, weights, X, d, i, c); }
}

extern "C" __global__ void __launch_bounds__(256, 6)
    mix_float64(const u64* __restrict__ indptr, const u32* __restrict__ indices, const double* __restrict__ weights,
                i64 n, i64 d, const double* __restrict__ X, double* __restrict__ Y) {
  mix(indptr, indices, weights, n, d, X, Y);
}

extern "C" __global__ void __launch_bounds__(256, 6)
    mix_float32(const u64* __restrict__ indptr, const u32* __restrict__ indices, const float* __restrict__ weights,
                i64 n, i64 d, const float* __restrict__ X, float* __restrict__ Y) {
  mix(indptr, indices, weights, n, d, X, Y);
}

// Z = mixed W X + own X + before P, where P is Z itself or X: hence no __restrict__ for them
template <typename T>
__device__ inline void mix_combine(const u64* __restrict__ indptr, const u32* __restrict__ indices,
                                   const T* __restrict__ weights, i64 n, i64 d, const T* __restrict__ X, const T* P,
                                   T* Z, T mixed, T own, T before) {
  FOR_EACH_ENTRY(i, c, n, d) {
    i64 place = i * d + c;
    Z[place] = mixed * product(indptr, indices, weights, X, d, i, c) + own * X[place] + before * P[place];
  }
}

extern "C" __global__ void __launch_bounds__(256, 6)
    mix_combine_float64(const u64* __restrict__ indptr, const u32* __restrict__ indices,
                        const double* __restrict__ weights, i64 n, i64 d, const double* __restrict__ X,
                        const double* P, double* Z, double mixed, double own, double before) {
  mix_combine(indptr, indices, weights, n, d, X, P, Z, mixed, own, before);
}

extern "C" __global__ void __launch_bounds__(256, 6)
    mix_combine_float32(const u64* __restrict__ indptr, const u32* __restrict__ indices,
                        const float* __restrict__ weights, i64 n, i64 d, const float* __restrict__ X, const float* P,
                        float* Z, float mixed, float own, float before) {
  mix_combine(indptr, indices, weights, n, d, X, P, Z, mixed, own, before);
}

// Average the pairs of rows of the edges begin, ..., begin + count - 1, in which no node comes twice.
template <typename T>
__device__ inline void average_pairs(const u32* __restrict__ edges, i64 begin, i64 count, i64 d,
                                     T* __restrict__ X, T keep, T take) {
  FOR_EACH_ENTRY(e, c, count, d) {
    i64 i = edges[2 * (begin + e)] * d + c, j = edges[2 * (begin + e) + 1] * d + c;
    T x = X[i], y = X[j];
    X[i] = keep * x + take * y;
    X[j] = keep * y + take * x;
  }
}

extern "C" __global__ void __launch_bounds__(256)
    average_pairs_float64(const u32* __restrict__ edges, i64 begin, i64 count, i64 d, double* __restrict__ X,
                          double keep, double take) {
  average_pairs(edges, begin, count, d, X, keep, take);
}

extern "C" __global__ void __launch_bounds__(256)
    average_pairs_float32(const u32* __restrict__ edges, i64 begin, i64 count, i64 d, float* __restrict__ X,
                          float keep, float take) {
  average_pairs(edges, begin, count, d, X, keep, take);
}
