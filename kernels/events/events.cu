// Poisson events, with the bits of cpu.py: drawn all at once, then their times added up one by one.
#include "../philox.cuh"

// Entry e belongs to event start + e: its gap, and which node or edge it is of.
extern "C" __global__ void __launch_bounds__(256)
    draw_events(u64 key, u32 stream, u64 start, double mean_gap, int n_nodes, const u64* __restrict__ threshold,
                const int* __restrict__ alias, int bits, i64 count, double* __restrict__ gaps,
                u8* __restrict__ kinds, int* __restrict__ indices) {
  FOR_EACH(e, count) {
    Words w = random_words(key, stream, start + (u64)e, 0u, 0u);
    gaps[e] = to_exponential(w.w0, w.w1) * mean_gap;
    int slot = alias_draw(threshold, alias, bits, w.w2, w.w3);
    int is_communication = slot >= n_nodes;
    kinds[e] = (u8)is_communication;
    indices[e] = is_communication ? slot - n_nodes : slot;
  }
}

// Gaps to times: times[e] = time + times[0] + ... + times[e], from left to right. A parallel scan would add in
// another order, and a stream cut elsewhere would not go on with the same bits. One block: it moves the tiles
// together, and one thread adds.
#define TILE 2048
extern "C" __global__ void __launch_bounds__(256) add_up(double time, i64 count, double* __restrict__ times) {
  __shared__ double tile[TILE];
  for (i64 begin = 0; begin < count; begin += TILE) {
    int n = count - begin < TILE ? (int)(count - begin) : TILE;
    for (int t = threadIdx.x; t < n; t += blockDim.x) tile[t] = times[begin + t];
    __syncthreads();  // all gaps are there
    if (threadIdx.x == 0) {
      for (int t = 0; t < n; ++t) {
        time += tile[t];
        tile[t] = time;
      }
    }
    __syncthreads();  // all times are there; each thread then moves the entries that it will overwrite
    for (int t = threadIdx.x; t < n; t += blockDim.x) times[begin + t] = tile[t];
  }
}
