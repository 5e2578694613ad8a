#pragma once
// Runs CUDA C++ kernels on the CPU, for tests: include this, then the unmodified .cu file, then SHIM_EXPORT each
// kernel. Blocks run one after another; their threads are fibers (fibers.hpp) or, with -DSHIM_THREADS, OS
// threads (threads.hpp). One launch at a time per loaded library.
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include <utility>

#include "intrinsics.hpp"

#ifndef SHIM_TIMEOUT_S  // CPU seconds of a launch (fibers only)
#define SHIM_TIMEOUT_S 60
#endif
#ifndef SHIM_MAX_DYNAMIC_SHARED  // what a launch may use unless the kernel's attribute is raised
#define SHIM_MAX_DYNAMIC_SHARED 49152
#endif

namespace shim {
template <class... A> struct Call {
  void (*function)(A...);
  void** arguments;
  template <size_t... I> void run(std::index_sequence<I...>) {
    function(*reinterpret_cast<std::remove_reference_t<A>*>(arguments[I])...);
  }
  static void go(void* call) { static_cast<Call*>(call)->run(std::index_sequence_for<A...>()); }
};

#ifndef SHIM_THREADS
static sigjmp_buf escape;
static void on_signal(int signal) { siglongjmp(escape, signal == SIGVTALRM ? 2 : 1); }

// While it lives, a wild access or an endless loop is an error, not the end of the process.
struct SignalGuard {
  static constexpr int signals[3] = {SIGSEGV, SIGBUS, SIGVTALRM};
  struct sigaction old[3];
  stack_t old_stack;
  std::vector<char> stack = std::vector<char>(65536);
  SignalGuard() {
    stack_t own{};
    own.ss_sp = stack.data();
    own.ss_size = stack.size();
    sigaltstack(&own, &old_stack);
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    for (int i = 0; i < 3; ++i) sigaction(signals[i], &action, &old[i]);
    timer(SHIM_TIMEOUT_S);
  }
  ~SignalGuard() {
    timer(0);
    for (int i = 0; i < 3; ++i) sigaction(signals[i], &old[i], nullptr);
    sigaltstack(&old_stack, nullptr);
  }
  static void timer(int seconds) {
    itimerval value{};
    value.it_value.tv_sec = seconds;
    setitimer(ITIMER_VIRTUAL, &value, nullptr);
  }
};
#endif

static bool run_grid(void (*function)(void*), void* arguments) {
#ifndef SHIM_THREADS
  SignalGuard guard;
  if (int why = sigsetjmp(escape, 1)) {
    fail((why == 2 ? "time limit (endless loop?)" : "invalid memory access") + place(" in thread ", threadIdx) +
         place(", block ", blockIdx));
    drop_fibers();
    return false;
  }
#endif
  uint64_t gx = gridDim.x, gy = gridDim.y, n_blocks = gx * gy * gridDim.z;
  for (uint64_t q = 0; q < n_blocks; ++q) {
    uint64_t b = order == 1 ? n_blocks - 1 - q : q;
    blockIdx = {(unsigned)(b % gx), (unsigned)(b / gx % gy), (unsigned)(b / (gx * gy))};
    if (!run_block(function, arguments) || !error.empty()) {
      error += place(" in block ", blockIdx);
      return false;
    }
  }
  return true;
}

// How a launch is to be run; the same fields in the same order in cuda_shim.py.
struct Launch {
  unsigned grid[3], block[3];
  size_t shared_bytes;
  void** arguments;
  const size_t* sizes;
  int n_arguments, order;
  double preemption;
};

template <class... A> static bool launch(void (*function)(A...), unsigned bound, const Launch& l) {
  const int wanted = (int)sizeof...(A);
  const size_t wanted_sizes[] = {sizeof(A)..., 0};
  const uint64_t n_threads = (uint64_t)l.block[0] * l.block[1] * l.block[2];
  error.clear();
  if (l.n_arguments != wanted)
    fail("the kernel takes " + std::to_string(wanted) + " arguments, got " + std::to_string(l.n_arguments));
  for (int i = 0; i < std::min(wanted, l.n_arguments); ++i)
    if (l.sizes[i] != wanted_sizes[i])
      fail("argument " + std::to_string(i) + ": the kernel wants " + std::to_string(wanted_sizes[i]) +
           " bytes, got " + std::to_string(l.sizes[i]));
  if (n_threads == 0 || n_threads > 1024 || l.block[2] > 64) fail("invalid block size");
  if (n_threads > bound) fail("block larger than __launch_bounds__(" + std::to_string(bound) + ")");
  if (!l.grid[0] || !l.grid[1] || !l.grid[2] || l.grid[0] > 2147483647u || l.grid[1] > 65535 || l.grid[2] > 65535)
    fail("invalid grid size");
  if (l.shared_bytes > SHIM_MAX_DYNAMIC_SHARED) fail("too much dynamic shared memory");
  if (!error.empty()) return false;
  gridDim = dim3(l.grid[0], l.grid[1], l.grid[2]);
  blockDim = dim3(l.block[0], l.block[1], l.block[2]);
  order = l.order;
  preemption = l.preemption;
  rng.seed((uint64_t)l.order + 12345);
  dynamic_bytes = l.shared_bytes;
  dynamic_shared = (char*)guarded_alloc(l.shared_bytes);
  Call<A...> call{function, l.arguments};
  bool ok = run_grid(&Call<A...>::go, &call);
  guarded_free(dynamic_shared, l.shared_bytes);
  return ok;
}
}  // namespace shim

#define SHIM_EXPORT(KERNEL, BOUND) \
  extern "C" int shim_launch_##KERNEL(const shim::Launch* l) { return shim::launch(KERNEL, (unsigned)(BOUND), *l); }
extern "C" const char* shim_error() { return shim::error.c_str(); }
extern "C" void* shim_alloc(size_t n) { return shim::guarded_alloc(n); }
extern "C" void shim_free(void* p, size_t n) { shim::guarded_free(p, n); }
