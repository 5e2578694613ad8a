// Which coordinates are kept: Top-k and the random masks, as ascending indices. Sets of coordinates are bits,
// 32 a word, in tiles of TILE coordinates, one word a thread; words behind the last coordinate are zero. What
// threads add or mark by atomics are integers: the result does not depend on who comes first.
#include "compression.cuh"

#define TILE 8192  // 256 words
#define BINS 2048
#define WHOLE_WARP 0xffffffffu

// Sum of the values of the threads before this one; all 256 threads call it, `sums` has one place a warp.
__device__ inline u32 sum_before(u32 value, u32* sums) {
  u32 lane = threadIdx.x & 31u, warp = threadIdx.x >> 5, sum = value;
  for (u32 step = 1; step < 32; step <<= 1) {
    u32 other = __shfl_up_sync(WHOLE_WARP, sum, step);
    if (lane >= step) sum += other;
  }
  if (lane == 31) sums[warp] = sum;
  __syncthreads();  // the sums of all warps are there
  for (u32 w = 0; w < warp; ++w) sum += sums[w];
  return sum - value;
}

// -- sets to indices -----------------------------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256) fill(u32 value, i64 count, u32* __restrict__ out) {
  FOR_EACH(i, count) { out[i] = value; }
}

// counts[tile]: how many bits of the tile are set; one block a tile
extern "C" __global__ void __launch_bounds__(256) count_bits(const u32* __restrict__ bits, u32* __restrict__ counts) {
  __shared__ u32 sums[8];
  u32 own = __popc(bits[blockIdx.x * (i64)256 + threadIdx.x]);
  u32 before = sum_before(own, sums);
  if (threadIdx.x == 255) counts[blockIdx.x] = before + own;
}

// Each row of counts (rows, n) to the sums of what stands before each entry, and its total; one block a row.
extern "C" __global__ void __launch_bounds__(256) scan_counts(int n, u32* __restrict__ counts, u32* __restrict__ totals) {
  __shared__ u32 sums[8];
  u32* row = counts + blockIdx.x * (i64)n;
  int part = (n + 255) / 256, begin = min(n, (int)threadIdx.x * part), end = min(n, begin + part);
  u32 own = 0;
  for (int i = begin; i < end; ++i) own += row[i];
  u32 before = sum_before(own, sums);
  if (threadIdx.x == 255) totals[blockIdx.x] = before + own;
  for (int i = begin; i < end; ++i) {
    u32 count = row[i];
    row[i] = before;
    before += count;
  }
}

// Write the coordinates of a word's bits from out[place] on, never behind the end of out (room,).
__device__ inline void write_bits(u32 bits, i64 word, u32 place, i64 room, i64* __restrict__ out) {
  for (; bits && place < room; bits &= bits - 1u) out[place++] = 32 * word + __ffs((int)bits) - 1;
}

extern "C" __global__ void __launch_bounds__(256)
    write_indices(const u32* __restrict__ bits, const u32* __restrict__ before, i64 room, i64* __restrict__ out) {
  __shared__ u32 sums[8];
  i64 word = blockIdx.x * (i64)256 + threadIdx.x;
  u32 own = bits[word];
  write_bits(own, word, before[blockIdx.x] + sum_before(__popc(own), sums), room, out);
}

// -- Top-k: radix selection of the k-th largest key, then all above it and the first that equal it -------
// state: the leading bits of the k-th largest key that are known; how many keys with these bits are among the
// k; whether that is all of them, so that the remaining bits do not matter.

extern "C" __global__ void __launch_bounds__(256) start_top(i64 k, u64* __restrict__ state, u32* __restrict__ bins) {
  FOR_EACH(b, BINS) { bins[b] = 0u; }
  FOR_EACH(s, 3) { state[s] = s == 1 ? (u64)k : 0; }
}

// Count, for each value of the next digits, `width` bits above bit `shift`, the keys whose higher bits are the
// known ones: each block for itself, then together.
__device__ inline void empty_bins(u32* own) {
  for (int b = threadIdx.x; b < BINS; b += blockDim.x) own[b] = 0u;
  __syncthreads();  // all bins are empty
}
__device__ inline void count_key(u64 key, int shift, int width, u64 known, u32* own) {
  u64 digits = key >> shift;
  if (digits >> width == known) atomicAdd(&own[digits & ((1ULL << width) - 1)], 1u);
}
__device__ inline void add_bins(const u32* own, u32* __restrict__ bins) {
  __syncthreads();  // all keys are counted
  for (int b = threadIdx.x; b < BINS; b += blockDim.x)
    if (own[b]) atomicAdd(&bins[b], own[b]);
}

extern "C" __global__ void __launch_bounds__(256)
    count_digits(const void* __restrict__ x, int wide, i64 d, int shift, int width, const u64* __restrict__ state,
                 u32* __restrict__ bins) {
  __shared__ u32 own[BINS];
  empty_bins(own);
  i64 end = state[2] ? 0 : d;
  FOR_EACH(i, end) { count_key(key_at(x, wide, i), shift, width, state[0], own); }
  add_bins(own, bins);
}

// The same for the first digits, of x = memory + step gradient, which is formed here; x may be memory.
extern "C" __global__ void __launch_bounds__(256)
    add_and_count(const void* memory, const void* __restrict__ gradient, double step, void* x, int wide, i64 d,
                  int shift, int width, const u64* __restrict__ state, u32* __restrict__ bins) {
  __shared__ u32 own[BINS];
  empty_bins(own);
  FOR_EACH(i, d) {
    if (wide)
      ((double*)x)[i] = ((const double*)memory)[i] + step * ((const double*)gradient)[i];
    else
      ((float*)x)[i] = ((const float*)memory)[i] + (float)step * ((const float*)gradient)[i];
    count_key(key_at(x, wide, i), shift, width, state[0], own);
  }
  add_bins(own, bins);
}

// Find the digit of the k-th largest key from the counts, and empty the bins; one block.
extern "C" __global__ void __launch_bounds__(256)
    choose_digit(int shift, int width, i64 d, u64* __restrict__ state, u32* __restrict__ bins) {
  __shared__ u32 sums[8];
  u32 counts[8], own = 0, needed = (u32)state[1];
  int top = BINS - 1 - 8 * (int)threadIdx.x;  // thread 0 has the largest digits
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    counts[b] = bins[top - b];
    own += counts[b];
    bins[top - b] = 0u;
  }
  u32 before = sum_before(own, sums);
  if (before < needed && needed <= before + own) {  // true for one thread; for none where state[2] is set
    u64 known = state[0];
    bool found = false;
#pragma unroll
    for (int b = 0; b < 8; ++b) {
      if (!found && needed <= before + counts[b]) {
        found = true;
        bool all = needed == before + counts[b];
        u64 digits = known << width | (u64)(top - b);
        state[0] = all ? digits << shift : digits;
        state[1] = all ? (u64)d : (u64)(needed - before);
        state[2] = all;
      }
      if (!found) before += counts[b];
    }
  }
}

// Mark the keys above the k-th largest and those equal to it; counts (2, tiles); one block a tile.
extern "C" __global__ void __launch_bounds__(256)
    mark_top(const void* __restrict__ x, int wide, i64 d, const u64* __restrict__ state, u32* __restrict__ above,
             u32* __restrict__ equal, u32* __restrict__ counts) {
  __shared__ u32 sums[2][8];
  u64 kth = state[0];
  u32 lane = threadIdx.x & 31u, warp = threadIdx.x >> 5, n_above = 0, n_equal = 0;
#pragma unroll 4
  for (int row = 0; row < TILE; row += 256) {
    i64 i = blockIdx.x * (i64)TILE + row + threadIdx.x;
    u64 key = i < d ? key_at(x, wide, i) : 0;
    u32 is_above = __ballot_sync(WHOLE_WARP, i < d && key > kth);
    u32 is_equal = __ballot_sync(WHOLE_WARP, i < d && key == kth);
    if (lane == 0) {
      i64 word = blockIdx.x * (i64)256 + row / 32 + warp;
      above[word] = is_above;
      equal[word] = is_equal;
      n_above += __popc(is_above);
      n_equal += __popc(is_equal);
    }
  }
  if (lane == 0) {
    sums[0][warp] = n_above;
    sums[1][warp] = n_equal;
  }
  __syncthreads();  // all warps have counted
  if (threadIdx.x < 2) {
    u32 sum = 0;
    for (int w = 0; w < 8; ++w) sum += sums[threadIdx.x][w];
    counts[threadIdx.x * (i64)gridDim.x + blockIdx.x] = sum;
  }
}

// Indices of the keys above, and of the first state[1] of those equal; `before` is what `scan_counts` made.
extern "C" __global__ void __launch_bounds__(256)
    write_top(const u32* __restrict__ above, const u32* __restrict__ equal, const u32* __restrict__ before,
              const u64* __restrict__ state, i64 room, i64* __restrict__ out) {
  __shared__ u32 equal_sums[8], sums[8];
  i64 word = blockIdx.x * (i64)256 + threadIdx.x;
  u32 ties = (u32)state[1], n_equal = before[gridDim.x + (i64)blockIdx.x];
  u32 place = before[blockIdx.x] + min(ties, n_equal);
  u32 rest = equal[word], own = above[word];
  n_equal += sum_before(__popc(rest), equal_sums);
  for (; rest && n_equal < ties; ++n_equal) {
    own |= rest & (0u - rest);
    rest &= rest - 1u;
  }
  write_bits(own, word, place + sum_before(__popc(own), sums), room, out);
}

// -- random masks ----------------------------------------------------------------------------------------

// Floyd's draws: draw t is uniform on 0, ..., base + t. A hash table of 2^log places remembers, for each number
// drawn, the first draw of it; slots[t] is the place of number t. Places depend on the order of the threads,
// what stands there does not.
extern "C" __global__ void __launch_bounds__(256)
    draw_rand_k(i64 base, i64 k, u64 key, u32 stream, u64 index, int log, u32* __restrict__ numbers,
                u32* __restrict__ slots, u32* __restrict__ table, u32* __restrict__ first) {
  FOR_EACH(group, (k + 3) / 4) {
    Words w = random_words(key, stream, index, (u32)group, 0u);
    for (i64 t = 4 * group; t < k && t < 4 * group + 4; ++t) {
      u32 number = (u32)bounded_by((u64)(base + t + 1), word_of(w, (u32)t), key, stream, index, (u32)t);
      u32 slot = number * 0x9E3779B1u >> (32 - log);
      for (u32 found; (found = atomicCAS(&table[slot], ~0u, number)) != ~0u && found != number;)
        slot = (slot + 1) & ((1u << log) - 1);
      atomicMin(&first[slot], (u32)t);
      numbers[t] = number;
      slots[t] = slot;
    }
  }
}

// Floyd's choice: base + t in place of a number that was chosen before: one drawn before, or base + s where s
// had to choose that one. The chain t -> s has a length of order log k at most, on average.
extern "C" __global__ void __launch_bounds__(256)
    choose_rand_k(i64 base, i64 k, const u32* __restrict__ numbers, const u32* __restrict__ slots,
                  const u32* __restrict__ first, u32* __restrict__ bits) {
  FOR_EACH(t, k) {
    i64 s = t, next = t;
    bool was_drawn;
    do {
      s = next;
      was_drawn = first[slots[s]] < s;
      next = (i64)numbers[s] - base;
    } while (!was_drawn && 0 <= next && next < s);
    u32 chosen = was_drawn ? (u32)(base + t) : numbers[t];
    atomicOr(&bits[chosen >> 5], 1u << (chosen & 31u));
  }
}

// out[b]: a coordinate of block b of k balanced ones
extern "C" __global__ void __launch_bounds__(256)
    block_rand_k(i64 d, i64 k, u64 key, u32 stream, u64 index, i64* __restrict__ out) {
  FOR_EACH(group, (k + 3) / 4) {
    Words w = random_words(key, stream, index, (u32)group, 0u);
    for (i64 b = 4 * group; b < k && b < 4 * group + 4; ++b) {
      i64 begin = b * d / k, length = (b + 1) * d / k - begin;
      out[b] = begin + bounded_by((u64)length, word_of(w, (u32)b), key, stream, index, (u32)b);
    }
  }
}

// Mark the coordinates 0, ..., d - 1 that a coin of probability p keeps; one word a thread.
extern "C" __global__ void __launch_bounds__(256)
    mark_coins(i64 d, double p, u64 key, u32 stream, u64 index, i64 n_words, u32* __restrict__ bits) {
  FOR_EACH(word, n_words) {
    u32 own = 0;
    for (u32 bit = 0; bit < 32 && 32 * word + bit < d; bit += 4) {
      u32 j = (u32)(32 * word) + bit;
      Words w = random_words(key, stream, index, j >> 2, 0u);
      for (u32 lane = 0; lane < 4 && j + lane < d; ++lane)
        own |= (u32)happens(p, word_of(w, lane), key, stream, index, j + lane) << (bit + lane);
    }
    bits[word] = own;
  }
}

// Mark the images of begin, ..., begin + count - 1 under a keyed permutation of 0, ..., d - 1: a Feistel network
// on pairs of `half` bits, walked until the image is below d. The eight round keys come by twos.
extern "C" __global__ void __launch_bounds__(256)
    mark_permuted(i64 d, i64 begin, i64 count, int half, u64 keys01, u64 keys23, u64 keys45, u64 keys67,
                  u32* __restrict__ bits) {
  u32 mask = (1u << half) - 1u;
  FOR_EACH(i, count) {
    u32 position = (u32)(begin + i);
    do {
      u32 left = position >> half, right = position & mask;
#pragma unroll
      for (int round = 0; round < 8; ++round) {
        u64 pair = round < 2 ? keys01 : round < 4 ? keys23 : round < 6 ? keys45 : keys67;
        u32 v = (right ^ (u32)(round & 1 ? pair >> 32 : pair)) * 0x9E3779B1u;
        v = (v ^ (v >> 15)) * 0x85EBCA77u;
        u32 mixed = left ^ ((v ^ (v >> 13)) & mask);
        left = right;
        right = mixed;
      }
      position = left << half | right;
    } while (position >= d);
    atomicOr(&bits[position >> 5], 1u << (position & 31u));
  }
}
