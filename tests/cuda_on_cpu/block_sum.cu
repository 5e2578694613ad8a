// A kernel for the tests of the shim: sums of the rows of x (rows, d), one block a row, always in the same order.
#include "../../kernels/cuda.cuh"
#ifndef BLOCK
#define BLOCK 128
#endif

extern "C" __global__ void __launch_bounds__(BLOCK)
    block_sum(const double* __restrict__ x, double* __restrict__ out, int d) {
  __shared__ double part[BLOCK];
  int t = threadIdx.x;
  double sum = 0.0;
  for (int c = t; c < d; c += BLOCK) sum += x[(i64)blockIdx.x * d + c];
  part[t] = sum;
  __syncthreads();  // all parts are there
  for (int half = BLOCK / 2; half > 0; half >>= 1) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();  // this level is done
  }
  if (t == 0) out[blockIdx.x] = part[0];
}

// The same by warp shuffles; dynamic shared memory of 8 bytes a warp.
extern "C" __global__ void warp_sum(const double* __restrict__ x, double* __restrict__ out, int d) {
  DYN_SHARED(double, part);
  double sum = 0.0;
  for (int c = threadIdx.x; c < d; c += blockDim.x) sum += x[(i64)blockIdx.x * d + c];
  for (int offset = 16; offset; offset >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, offset);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  __syncthreads();  // the parts of all warps are there
  if (threadIdx.x == 0) {
    double all = 0.0;
    for (int w = 0; w < (int)blockDim.x / 32; ++w) all += part[w];
    out[blockIdx.x] = all;
  }
}

// How many entries of x (count,) are positive: blocks add to one counter.
extern "C" __global__ void count_positive(const double* __restrict__ x, int* __restrict__ out, i64 count) {
  FOR_EACH(i, count) {
    if (x[i] > 0.0) atomicAdd(out, 1);
  }
}
