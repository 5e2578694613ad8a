#pragma once
// Elementary functions of elementary.py, operation by operation: the same bits where the compiler contracts
// nothing to fused multiply-adds (the default options of backend.py).
#include "cuda.cuh"

// -log x for a positive normal x
__device__ inline double minus_log(double x) {
  const double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
  const i64 ROOT_HALF_BITS = 0x3fe6a09e667f3bcdLL;
  i64 bits = __double_as_longlong(x);
  i64 k = (bits - ROOT_HALF_BITS) >> 52;
  double f = __longlong_as_double(bits - k * (1LL << 52)) - 1.0;  // 1 + f in [sqrt(1/2), sqrt(2))
  double s = f / (2.0 + f);
  double z = s * s;
  double z2 = z * z;
  double z4 = z2 * z2;
  // log(1 + f) = 2 artanh(s) = f - s (f - p), p = 2 artanh(s)/s - 2
  double p = (2.0 / 3 * z + z2 * (2.0 / 5 + z * (2.0 / 7))) +
             z4 * ((2.0 / 9 + z * (2.0 / 11)) + z2 * (2.0 / 13 + z * (2.0 / 15)));
  p += z4 * z4 * ((2.0 / 17 + z * (2.0 / 19)) + z2 * (2.0 / 21 + z * (2.0 / 23)));
  double exponent = (double)k;
  return (s * (f - p) - exponent * LN2_LOW) - f - exponent * LN2_HIGH;
}
