// Gram matrices, weighted sums and order statistics of the rows of a matrix, as in cpu_gram.py and cpu_sort.py.
#include "../cuda.cuh"

#ifndef REAL
#define REAL float  // or double
#endif

#define THREADS 256

// Partial Gram matrices of chosen rows (less one vector, where `centred`). A thread has a tile of 4 x 4 inner
// products, and every slices-th column of those that lie in shared memory; blocks (x) share the columns out
// in chunks, and blocks (y) the tiles. Sums are of REAL within the columns of one visit, then double.
// partial is (grid.x, tiles, 16). Bounds of 2 blocks leave a thread the registers of its tile.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    gram_tiles(const REAL* __restrict__ G, i64 d, const int* __restrict__ rows, int q,
               const REAL* __restrict__ centre, int centred, int columns, i64 chunk, double* __restrict__ partial) {
  DYN_SHARED(double, memory);
  REAL* tile = reinterpret_cast<REAL*>(memory);  // rows in whole fours, one column more against bank conflicts
  int n = (q + 3) / 4, n_tiles = n * (n + 1) / 2;
  int first = blockIdx.y * THREADS;
  int here = n_tiles - first < THREADS ? n_tiles - first : THREADS;
  int slices = THREADS / here, slice = threadIdx.x / here, t = threadIdx.x % here;
  int active = slice < slices;
  int i = 0, rest = first + t;  // tile (i, j) of the lower triangle
  while (rest > i) rest -= ++i;
  const REAL *x = tile + 4 * i * (columns + 1), *y = tile + 4 * rest * (columns + 1);
  int w = columns + 1;
  double total[16];
#pragma unroll
  for (int k = 0; k < 16; ++k) total[k] = 0.0;
  i64 end = (blockIdx.x + 1) * chunk < d ? (blockIdx.x + 1) * chunk : d;
  for (i64 begin = blockIdx.x * chunk; begin < end; begin += columns) {
    int here_columns = end - begin < columns ? (int)(end - begin) : columns;
    for (int k = threadIdx.x; k < 4 * n * columns; k += THREADS) {
      int r = k / columns, c = k % columns;
      REAL value = 0;
      if (r < q && c < here_columns) {
        value = G[rows[r] * d + begin + c];
        if (centred) value -= centre[begin + c];
      }
      tile[r * w + c] = value;
    }
    __syncthreads();  // all columns are there
    if (active) {
      REAL sum[16];
#pragma unroll
      for (int k = 0; k < 16; ++k) sum[k] = 0;
      for (int c = slice; c < here_columns; c += slices) {
#pragma unroll
        for (int k = 0; k < 16; ++k) sum[k] += x[(k / 4) * w + c] * y[(k % 4) * w + c];
      }
#pragma unroll
      for (int k = 0; k < 16; ++k) total[k] += (double)sum[k];
    }
    __syncthreads();  // all are done with these columns
  }
#pragma unroll
  for (int k = 0; k < 16; ++k) memory[threadIdx.x * 16 + k] = total[k];
  __syncthreads();  // the sums of all slices are there
  if (slice == 0) {
    double* out = partial + ((i64)blockIdx.x * n_tiles + first + t) * 16;
#pragma unroll
    for (int k = 0; k < 16; ++k) {
      double sum = 0.0;
      for (int s = 0; s < slices; ++s) sum += memory[(s * here + t) * 16 + k];
      out[k] = sum;
    }
  }
}

// out[e] = partial[0][e] + partial[1][e] + ..., from first to last
extern "C" __global__ void __launch_bounds__(THREADS)
    add_partial(const double* __restrict__ partial, int n_partial, i64 count, double* __restrict__ out) {
  FOR_EACH(e, count) {
    double sum = 0.0;
    for (int b = 0; b < n_partial; ++b) sum += partial[b * count + e];
    out[e] = sum;
  }
}

// Squared norms of chosen rows (less one vector), one block (x) a chunk and one (y) a row; partial is (grid.x, q).
extern "C" __global__ void __launch_bounds__(THREADS)
    square_sums(const REAL* __restrict__ G, i64 d, const int* __restrict__ rows, const REAL* __restrict__ centre,
                int centred, i64 chunk, double* __restrict__ partial) {
  __shared__ double sums[THREADS];
  const REAL* x = G + rows[blockIdx.y] * d;
  i64 end = (blockIdx.x + 1) * chunk < d ? (blockIdx.x + 1) * chunk : d;
  double sum = 0.0;
  for (i64 c = blockIdx.x * chunk + threadIdx.x; c < end; c += THREADS) {
    REAL value = centred ? x[c] - centre[c] : x[c];
    sum += (double)value * (double)value;
  }
  sums[threadIdx.x] = sum;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();  // the sums of both halves are there
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) partial[blockIdx.x * gridDim.y + blockIdx.y] = sums[0];
}

__device__ inline int is_finite(REAL x) { return x * 0 == 0; }

// Mark the rows of a (p, d) matrix that hold NaN or infinity.
extern "C" __global__ void __launch_bounds__(THREADS)
    mark_bad(const REAL* __restrict__ G, i64 d, i64 count, int* __restrict__ bad) {
  FOR_EACH(e, count) {
    if (!is_finite(G[e])) atomicExch(&bad[e / d], 1);
  }
}

__device__ inline REAL weighted(const REAL* G, i64 d, const int* rows, const REAL* weights, int q, i64 c) {
  REAL sum = weights[0] * G[rows[0] * d + c];
  for (int i = 1; i < q; ++i) sum += weights[i] * G[rows[i] * d + c];
  return sum;
}

// out = weights' G over chosen rows; bad[0] is set where that is not finite.
extern "C" __global__ void __launch_bounds__(THREADS)
    combine(const REAL* __restrict__ G, i64 d, const int* __restrict__ rows, const REAL* __restrict__ weights,
            int q, REAL* __restrict__ out, int* __restrict__ bad) {
  FOR_EACH(c, d) {
    out[c] = weighted(G, d, rows, weights, q, c);
    if (!is_finite(out[c])) atomicExch(bad, 1);
  }
}

// Whether a number is finite, and 2^24 like it can be added up; as in cpu_sort.py.
__device__ inline int is_moderate(REAL x) {
  double size = x < 0 ? -(double)x : (double)x;
  return size < (sizeof(REAL) == 4 ? 1.0141204801825835e31 : 5.357543035931337e300);  // 2^103, 2^999
}

// One thread a column, its n values in shared memory, sorted by exchanges as far as those go; then as in
// cpu_sort.order_statistics, with the same additions in the same order.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    order_statistics(const REAL* __restrict__ G, i64 d, const int* __restrict__ rows, int q,
                     const REAL* __restrict__ mixing, int mixed, int n, const int* __restrict__ exchanges,
                     int n_exchanges, int first, int last, int near, REAL* __restrict__ out, int* __restrict__ bad) {
  DYN_SHARED(REAL, all);
  REAL* v = all + threadIdx.x;  // value i at v[i * stride]; no thread looks at another's
  int stride = blockDim.x;
  FOR_EACH(c, d) {
    int finite = 1;
    for (int i = 0; i < n; ++i) {
      REAL value = mixed ? weighted(G, d, rows, mixing + (i64)i * q, q, c) : G[rows[i] * d + c];
      finite &= is_moderate(value);
      v[i * stride] = value;
    }
    if (!finite) atomicExch(bad, 1);
    for (int e = 0; e < n_exchanges; ++e) {
      REAL *low = v + exchanges[2 * e] * stride, *high = v + exchanges[2 * e + 1] * stride;
      REAL a = *low, b = *high;
      *low = a < b ? a : b;
      *high = a < b ? b : a;
    }
    REAL middle = v[first * stride];
    for (int i = first + 1; i < last; ++i) middle += v[i * stride];
    if (last - first > 1) middle /= (REAL)(last - first);
    if (near == 0) {
      out[c] = middle;
      continue;
    }
    // of values i and i + near at most one is among the `near` nearest: i, unless i + near is nearer
    int dropped = n - near;
    REAL sum = 0;
    for (int i = dropped; i < near; ++i) sum += v[i * stride];
    if (near >= dropped) {
      for (int i = 0; i < dropped; ++i) {
        REAL low = v[i * stride], high = v[(i + near) * stride];
        sum += middle - low > high - middle ? high : low;
      }
    } else {
      for (int i = 0; i < n; ++i) {
        REAL x = v[i * stride];
        int beaten = i < dropped && middle - x > v[(i + near) * stride] - middle;
        int beats = i < near || middle - v[(i - near) * stride] > x - middle;
        sum += beats && !beaten ? x : (REAL)0;
      }
    }
    out[c] = sum / (REAL)near;
  }
}
