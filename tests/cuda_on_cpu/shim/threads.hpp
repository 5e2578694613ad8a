#pragma once
// A block of CUDA threads as OS threads: slow, in whatever order, but what ThreadSanitizer understands.
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "memory.hpp"

namespace shim {
enum Barrier { PLAIN, OR, AND, COUNT };
struct Warp {
  uint64_t value[32];
  uint32_t waiting = 0;
};
static std::vector<Warp> warps;
static std::unique_ptr<std::barrier<>> block_barrier;
static std::atomic<int> barrier_count{0};
static std::mutex warp_mutex;
static std::condition_variable warp_arrived;
static std::vector<uint64_t> generation;  // warp operations that each thread has finished
static std::vector<std::vector<uint64_t>> snapshot;
static thread_local unsigned current;
static thread_local uint64_t result[32];

static std::mt19937_64 rng;  // the order of OS threads is not ours to choose
static int order = 0;
static double preemption = 0;

static inline void maybe_preempt() {}
static inline int barrier(Barrier kind, bool predicate) {
  if (kind == PLAIN) {
    block_barrier->arrive_and_wait();
    return 0;
  }
  barrier_count += predicate;
  block_barrier->arrive_and_wait();
  int count = barrier_count;
  block_barrier->arrive_and_wait();
  barrier_count -= predicate;
  block_barrier->arrive_and_wait();
  return kind == OR ? count > 0 : kind == AND ? count == (int)block_size() : count;
}
static inline uint64_t* warp_op(uint32_t mask, uint64_t value) {
  std::unique_lock<std::mutex> lock(warp_mutex);
  unsigned warp = current / 32;
  Warp& w = warps[warp];
  w.value[current % 32] = value;
  w.waiting |= 1u << current % 32;
  uint32_t needed = mask & lanes_of_warp(warp);
  uint64_t before = generation[current];
  if ((w.waiting & needed) == needed) {
    for (unsigned l = 0; l < 32; ++l) {
      if (!(needed >> l & 1)) continue;
      memcpy(snapshot[warp * 32 + l].data(), w.value, sizeof(w.value));
      ++generation[warp * 32 + l];
    }
    w.waiting &= ~mask;
    warp_arrived.notify_all();
  } else {
    warp_arrived.wait(lock, [&] { return generation[current] != before; });
  }
  memcpy(result, snapshot[current].data(), sizeof(result));
  return result;
}

static bool run_block(void (*function)(void*), void* arguments) {
  unsigned n = block_size();
  poison_shared();
  block_barrier = std::make_unique<std::barrier<>>(n);
  warps.assign((n + 31) / 32, Warp());
  generation.assign(n, 0);
  snapshot.assign(n, std::vector<uint64_t>(32));
  std::vector<std::thread> threads;
  uint3 block = blockIdx;
  for (unsigned t = 0; t < n; ++t)
    threads.emplace_back([=] {
      blockIdx = block;
      current = t;
      set_thread(t);
      function(arguments);
      block_barrier->arrive_and_drop();
    });
  for (auto& thread : threads) thread.join();
  return true;
}
}  // namespace shim
