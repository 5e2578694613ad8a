#pragma once
// A block of CUDA threads as fibers of one OS thread, in an order that the test chooses. A fiber gives way at
// barriers, at warp operations and, where asked, before atomics. x86-64 only.
#ifndef __x86_64__
#error "fibers need x86-64; build with -DSHIM_THREADS on other machines"
#endif
#include <random>
#include <vector>

#include "memory.hpp"

namespace shim {
enum Barrier { PLAIN, OR, AND, COUNT };
enum State { READY, AT_BARRIER, IN_WARP_OP, DONE };
struct Fiber {
  void* stack_pointer;
  char* stack;
};
struct Thread {
  int fiber = -1;
  State state = READY;
  uint64_t result[32];
  Barrier kind;
  bool predicate;
};
struct Warp {
  uint64_t value[32];
  uint32_t mask[32];
  uint32_t waiting = 0;
};
static std::vector<Fiber> fibers;
static std::vector<int> idle_fibers;
static std::vector<Thread> threads;
static std::vector<Warp> warps;
static int current = -1, barrier_count = 0;
static void* scheduler;  // its stack pointer while a fiber runs
static void (*kernel)(void*);
static void* kernel_arguments;
static const size_t STACK = 128 * 1024;

static std::mt19937_64 rng;
static int order = 0;          // of the threads: 0 forward, 1 reverse, from 2 on shuffled with this seed
static double preemption = 0;  // probability of giving way before an atomic

extern "C" void shim_switch(void** save, void* to);
asm(R"(
.text
.type shim_switch,@function
shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size shim_switch,.-shim_switch
)");

static inline void give_way() { shim_switch(&fibers[threads[current].fiber].stack_pointer, scheduler); }
static void fiber_main() {
  for (;;) {  // a fiber that has finished serves the next thread
    kernel(kernel_arguments);
    threads[current].state = DONE;
    give_way();
  }
}
static int take_fiber() {
  if (!idle_fibers.empty()) {
    int fiber = idle_fibers.back();
    idle_fibers.pop_back();
    return fiber;
  }
  char* memory = (char*)mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  mprotect(memory, PAGE, PROT_NONE);  // so that a stack overflow faults
  void** top = (void**)(memory + PAGE + STACK);
  *--top = nullptr;
  *--top = (void*)fiber_main;
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers that shim_switch restores
  fibers.push_back({top, memory});
  return (int)fibers.size() - 1;
}
static void drop_fibers() {
  for (auto& fiber : fibers) munmap(fiber.stack, STACK + PAGE);
  fibers.clear();
  idle_fibers.clear();
}

static inline void maybe_preempt() {
  if (preemption > 0 && (double)(rng() >> 11) * 0x1p-53 < preemption) give_way();
}
static inline int barrier(Barrier kind, bool predicate) {
  Thread& t = threads[current];
  t.state = AT_BARRIER;
  t.kind = kind;
  t.predicate = predicate;
  give_way();
  int all = (int)block_size();
  return kind == OR ? barrier_count > 0 : kind == AND ? barrier_count == all : kind == COUNT ? barrier_count : 0;
}
static inline uint64_t* warp_op(uint32_t mask, uint64_t value) {
  Thread& me = threads[current];
  unsigned warp = current / 32, lane = current % 32;
  Warp& w = warps[warp];
  if (!(mask >> lane & 1)) fail("warp operation: the calling lane is not in the mask");
  w.value[lane] = value;
  w.mask[lane] = mask;
  w.waiting |= 1u << lane;
  uint32_t needed = mask & lanes_of_warp(warp);
  if ((w.waiting & needed) == needed) {  // the last to arrive hands a snapshot to all
    for (unsigned l = 0; l < 32; ++l) {
      if (!(needed >> l & 1)) continue;
      if (w.mask[l] != mask) fail("warp operation: lanes disagree about the mask");
      Thread& other = threads[warp * 32 + l];
      memcpy(other.result, w.value, sizeof(w.value));
      other.state = READY;
    }
    w.waiting &= ~mask;
  } else {
    me.state = IN_WARP_OP;
    give_way();
  }
  return me.result;
}

// Run the threads of one block to their end; false after an error.
static bool run_block(void (*function)(void*), void* arguments) {
  unsigned n = block_size(), done = 0;
  threads.assign(n, Thread());
  warps.assign((n + 31) / 32, Warp());
  kernel = function;
  kernel_arguments = arguments;
  poison_shared();
  std::vector<unsigned> sequence(n);
  for (unsigned i = 0; i < n; ++i) sequence[i] = order == 1 ? n - 1 - i : i;
  for (;;) {
    if (order >= 2) std::shuffle(sequence.begin(), sequence.end(), rng);
    for (unsigned i : sequence) {
      Thread& t = threads[i];
      if (t.state != READY) continue;
      if (t.fiber < 0) t.fiber = take_fiber();
      current = (int)i;
      set_thread(i);
      shim_switch(&scheduler, fibers[t.fiber].stack_pointer);
      if (t.state == DONE) {
        ++done;
        idle_fibers.push_back(t.fiber);
      }
    }
    if (done == n) return true;
    unsigned at_barrier = 0, in_warp_op = 0, ready = 0;
    bool mixed = false;
    int kind = -1;
    barrier_count = 0;
    for (auto& t : threads) {
      if (t.state == AT_BARRIER) {
        ++at_barrier;
        barrier_count += t.predicate;
        mixed |= kind >= 0 && kind != t.kind;
        kind = t.kind;
      }
      in_warp_op += t.state == IN_WARP_OP;
      ready += t.state == READY;
    }
    if (ready) continue;
    if (in_warp_op)
      fail("deadlock: " + std::to_string(at_barrier) + " threads at __syncthreads, " + std::to_string(in_warp_op) +
           " in warp operations, " + std::to_string(done) + " returned");
    else if (at_barrier != n)
      fail("__syncthreads in divergent code: " + std::to_string(at_barrier) + " of " + std::to_string(n) +
           " threads arrived, the others returned");
    else if (mixed)
      fail("different kinds of __syncthreads met");
    if (!error.empty()) {
      drop_fibers();
      return false;
    }
    for (auto& t : threads) t.state = READY;
  }
}
}  // namespace shim
