"""Poisson events and the DADAO loop in Numba.

DADAO's state is kept in the form in which the flow between events is nearly diagonal: per node six rows

    s = (X + X~)/2    D = X - X~    hY = Y - Yp    hT = Y~ - Y~p    zb = (Z + 2 Z~)/3    G = Z - Z~

with Yp = -(nu s + zb) + nu D/2 - (2k/3) G and Y~p = -(nu s + zb) + (k/3) G, the quasi-static parts of Y, Y~.
The flow leaves s and zb alone, scales D and G, and rotates (hY, hT): 6 multiplications a coordinate instead
of 20. A node's six rows lie next to each other, and a node is flowed only when an event touches it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from .._jit import NO_ALIAS, array_type, inner_njit, lazy_njit
from ..elementary import exp_minus, sin_cos
from ..oracles.batches import BATCHES, draw_batch, new_stamps
from ..oracles.types import DATA, gradient_at
from ..random.cpu import alias_draw, to_exponential, words
from ..random.streams import EVENT

GRADIENT_EVENT = 0
COMMUNICATION_EVENT = 1
S, D, HY, HT, ZB, G = range(6)

_EVENT = np.uint64(EVENT)
_ZERO = np.uint64(0)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
BLOCK = 64  # events that go through each step together; their arrays stay in the nearest cache


class DadaoConstants(NamedTuple):
    """DADAO's constants as the compiled loop reads them.

    Attributes
    ----------
    r : float
        sqrt(nu / L); it sets the flow: eta = eta~ = alpha~ = r/8, alpha = r/4, theta = 1/(2r).
    nu : float
        mu / 2.
    gamma, gamma_tilde, delta, delta_tilde : float
        Gradient jumps of X, X~, and of Y~ (their sum).
    beta, beta_tilde : float
        Communication jumps of Z, Z~.
    """

    r: float
    nu: float
    gamma: float
    gamma_tilde: float
    delta: float
    delta_tilde: float
    beta: float
    beta_tilde: float


CONSTANTS = types.NamedUniTuple(types.float64, 8, DadaoConstants)


@inner_njit(**NO_ALIAS)
def draw_block(key, start, mean_gap, gaps, drawn):
    """Fill arrays with the gaps of consecutive events and with their words 2, 3 as one; this vectorises."""
    for e in range(gaps.shape[0]):
        w0, w1, w2, w3 = words(key, _EVENT, start + np.uint64(e), _ZERO, _ZERO)
        gaps[e] = to_exponential(w0, w1) * mean_gap
        drawn[e] = w2 << _HALF | w3


@lazy_njit(
    types.float64(
        types.uint64,  # key
        types.uint64,  # index of the first event
        types.float64,  # time of the event before it
        types.float64,  # total rate
        types.int64,  # n_nodes
        array_type(types.uint64, 1, readonly=True),  # threshold
        array_type(types.int32, 1, readonly=True),  # alias
        types.int64,  # bits
        array_type(types.float64, 1),
        array_type(types.uint8, 1),
        array_type(types.int32, 1),
    )
)
def fill_events(key, start, time, rate, n_nodes, threshold, alias, bits, times, kinds, indices):
    """Fill the arrays with consecutive events; return the time of the last one.

    Each event is one Philox block: words 0, 1 give the gap, words 2, 3 the slot (node, then edge). Times are
    added up one by one, so a stream cut anywhere goes on with the same bits.
    """
    mean_gap = 1.0 / rate
    gaps = np.empty(BLOCK)
    drawn = np.empty(BLOCK, np.uint64)
    for begin in range(0, times.shape[0], BLOCK):
        end = min(begin + BLOCK, times.shape[0])
        draw_block(key, start + np.uint64(begin), mean_gap, gaps, drawn)
        for e in range(begin, end):
            time += gaps[e - begin]
            times[e] = time
            word = drawn[e - begin]
            slot = alias_draw(threshold, alias, bits, word >> _HALF, word & _LOW)
            is_gradient = slot < n_nodes
            kinds[e] = GRADIENT_EVENT if is_gradient else COMMUNICATION_EVENT
            indices[e] = slot if is_gradient else slot - n_nodes
    return time


@inner_njit(**NO_ALIAS)
def fill_coefficients(r, begins, ends, c0, c1, c2, c3, c4, c5):
    """Coefficients of the flow from begins[k] to ends[k]; this vectorises.

    c0: scale of D; c1: scale of G; c2..c5: the 2 x 2 matrix on (hY, hT), by rows.
    """
    w = math.sqrt(0.125 - r * r / 64.0)
    per_w = 1.0 / w
    eta = 0.125 * r
    alpha = 0.25 * r
    theta = 0.5 / r
    for k in range(begins.shape[0]):
        t = ends[k] - begins[k]
        q = exp_minus(eta * t)
        sn, cs = sin_cos(w * t)
        sn = sn * per_w
        c0[k] = q * q
        c1[k] = q * q * q
        c2[k] = q * (cs - eta * sn)
        c3[k] = q * alpha * sn
        c4[k] = -q * theta * sn
        c5[k] = q * (cs + eta * sn)


@inner_njit()
def accumulate(row, area, r, last, now, begin):
    """Add the integral of X = s + D/2 over [last, now], from `begin` on, to area; D decays at rate r/4."""
    if now <= begin:
        return
    start = max(last, begin)
    s = row[S]
    d = row[D]
    decay = 2.0 / r * math.exp(-0.25 * r * (start - last)) * -math.expm1(-0.25 * r * (now - start))
    for k in range(s.shape[0]):
        area[k] += s[k] * (now - start) + d[k] * decay


@inner_njit(**NO_ALIAS)
def exchange(nu, cg, cy, ct, p, q, coef_a, coef_b, s1, d1, y1, t1, z1, g1, s2, d2, y2, t2, z2, g2):
    """Flow two nodes, given by their rows, and exchange Y + Z."""
    half_nu = 0.5 * nu
    a_d, a_g, a00, a01, a10, a11 = coef_a
    b_d, b_g, b00, b01, b10, b11 = coef_b
    for c in range(s1.shape[0]):
        da = a_d * d1[c]
        ga = a_g * g1[c]
        ya = a00 * y1[c] + a01 * t1[c]
        ta = a10 * y1[c] + a11 * t1[c]
        db = b_d * d2[c]
        gb = b_g * g2[c]
        yb = b00 * y2[c] + b01 * t2[c]
        tb = b10 * y2[c] + b11 * t2[c]
        # Y + Z = hY - nu s + nu D/2 + (2/3)(1 - k) G: zb cancels
        m = (ya - nu * s1[c] + half_nu * da + cg * ga) - (yb - nu * s2[c] + half_nu * db + cg * gb)
        d1[c] = da
        d2[c] = db
        y1[c] = ya + cy * m
        y2[c] = yb - cy * m
        t1[c] = ta + ct * m
        t2[c] = tb - ct * m
        z1[c] -= p * m
        z2[c] += p * m
        g1[c] = ga + q * m
        g2[c] = gb - q * m


@inner_njit()
def communicate(a, b, coef_a, coef_b, constants):
    """Flow two nodes and exchange Y + Z along their edge; a and b are their (6, d) rows, a is not b."""
    k = 1.0 / (1.0 + 0.375 * constants.r * constants.r)
    p = (constants.beta + 2.0 * constants.beta_tilde) / 3.0
    q = constants.beta_tilde - constants.beta
    cy = -p + 2.0 * k * q / 3.0
    ct = -p - k * q / 3.0
    cg = (2.0 / 3.0) * (1.0 - k)
    s1, d1, y1, t1, z1, g1 = a[S], a[D], a[HY], a[HT], a[ZB], a[G]
    s2, d2, y2, t2, z2, g2 = b[S], b[D], b[HY], b[HT], b[ZB], b[G]
    exchange(constants.nu, cg, cy, ct, p, q, coef_a, coef_b, s1, d1, y1, t1, z1, g1, s2, d2, y2, t2, z2, g2)


@inner_njit(**NO_ALIAS)
def flow_rows(coef, s, d, y, t, g, x):
    """Flow one node, given by its rows, and write its X."""
    a_d, a_g, a00, a01, a10, a11 = coef
    for c in range(x.shape[0]):
        dc = a_d * d[c]
        yc = y[c]
        tc = t[c]
        d[c] = dc
        g[c] *= a_g
        y[c] = a00 * yc + a01 * tc
        t[c] = a10 * yc + a11 * tc
        x[c] = s[c] + 0.5 * dc


@inner_njit()
def flow_to_gradient(a, coef, x):
    """Flow one node and write its X."""
    flow_rows(coef, a[S], a[D], a[HY], a[HT], a[G], x)


@inner_njit(**NO_ALIAS)
def jump_rows(nu, k3, cs, cd, cy, ct, s, d, y, t, z, g, x, gradient):
    """Apply the gradient's jump to a flowed node, given by its rows."""
    for c in range(x.shape[0]):
        step = gradient[c] - nu * x[c] - (t[c] - nu * s[c] - z[c] + k3 * g[c])
        s[c] -= cs * step
        d[c] += cd * step
        y[c] -= cy * step
        t[c] += ct * step


@inner_njit()
def gradient_jump(a, x, gradient, constants):
    """Apply the gradient's jump to a flowed node."""
    nu = constants.nu
    k3 = 1.0 / (3.0 + 1.125 * constants.r * constants.r)  # k / 3
    cs = 0.5 * (constants.gamma + constants.gamma_tilde)
    cd = constants.gamma_tilde - constants.gamma
    cy = nu * constants.gamma_tilde
    ct = constants.delta + constants.delta_tilde - nu * cs
    jump_rows(nu, k3, cs, cd, cy, ct, a[S], a[D], a[HY], a[HT], a[ZB], a[G], x, gradient)


@lazy_njit(
    types.int64(
        array_type(types.float64, 1, readonly=True),  # times
        array_type(types.uint8, 1, readonly=True),  # kinds
        array_type(types.int32, 1, readonly=True),  # indices
        types.int64,  # index of the first event
        array_type(types.int32, 2, readonly=True),  # edges
        array_type(types.float64, 3),  # rows
        array_type(types.float64, 1),  # last
        CONSTANTS,
        types.int64,  # address of the gradient
        DATA,
        BATCHES,
        array_type(types.float64, 2),  # area
        types.float64,  # average_from
    )
)
def advance(
    times, kinds, indices, start, edges, rows, last, constants, address, data, batches, area, average_from
):
    """Apply events to the rows (n, 6, d) and to the nodes' clocks; return the number of gradients."""
    n_nodes = rows.shape[0]
    for e in range(times.shape[0]):  # before any change
        if not math.isfinite(times[e]):
            raise ValueError("event times must be finite")
        i = indices[e]
        if i < 0 or i >= (n_nodes if kinds[e] == GRADIENT_EVENT else edges.shape[0]):
            raise IndexError("an event names a node or an edge that does not exist")
        if kinds[e] != GRADIENT_EVENT:
            j = edges[i, 0]
            k = edges[i, 1]
            if j < 0 or k < 0 or j >= n_nodes or k >= n_nodes or j == k:
                raise IndexError("an edge joins nodes that do not exist, or a node with itself")
    gradient = gradient_at(address)
    dim = rows.shape[2]
    r = constants.r
    x = np.empty(dim)
    grad = np.empty(dim)
    picked = np.empty(batches.size, np.int64)
    stamps = new_stamps(batches)
    averaging = area.shape[0] > 0
    n_gradients = 0
    # of each node that the events of a block flow, in their order: from when, to when, coefficients
    begins = np.empty(2 * BLOCK)
    ends = np.empty(2 * BLOCK)
    coef = np.empty((6, 2 * BLOCK))
    c0, c1, c2, c3, c4, c5 = coef[0], coef[1], coef[2], coef[3], coef[4], coef[5]
    for first in range(0, times.shape[0], BLOCK):
        end = min(first + BLOCK, times.shape[0])
        used = 0
        for e in range(first, end):
            now = times[e]
            if kinds[e] == GRADIENT_EVENT:
                i = indices[e]
            else:
                i = edges[indices[e], 0]
                j = edges[indices[e], 1]
                begins[used] = last[j]
                ends[used] = now
                last[j] = now
                used += 1
            begins[used] = last[i]
            ends[used] = now
            last[i] = now
            used += 1
        for k in range(used):
            if ends[k] < begins[k]:
                raise ValueError("the events of a node must be in the order of their times")
        fill_coefficients(r, begins[:used], ends[:used], c0, c1, c2, c3, c4, c5)
        k = 0
        for e in range(first, end):
            now = times[e]
            if kinds[e] == GRADIENT_EVENT:
                i = indices[e]
                a = rows[i]
                if averaging:
                    accumulate(a, area[i], r, begins[k], now, average_from)
                flow_to_gradient(a, (c0[k], c1[k], c2[k], c3[k], c4[k], c5[k]), x)
                k += 1
                use = draw_batch(batches, i, np.uint64(start + e), stamps, e, picked)
                gradient(i, x, picked[:use], data, grad)
                gradient_jump(a, x, grad, constants)
                n_gradients += 1
            else:
                i = edges[indices[e], 0]
                j = edges[indices[e], 1]
                a = rows[i]
                b = rows[j]
                if averaging:
                    accumulate(b, area[j], r, begins[k], now, average_from)
                    accumulate(a, area[i], r, begins[k + 1], now, average_from)
                coef_b = c0[k], c1[k], c2[k], c3[k], c4[k], c5[k]
                k += 1
                coef_a = c0[k], c1[k], c2[k], c3[k], c4[k], c5[k]
                k += 1
                communicate(a, b, coef_a, coef_b, constants)
    return n_gradients


@lazy_njit(
    types.void(
        array_type(types.float64, 3, readonly=True),
        array_type(types.float64, 1, readonly=True),
        types.float64,
        types.float64,
        array_type(types.float64, 2),
    )
)
def flowed_iterates(rows, last, r, now, out):
    """Write X at time `now` without touching the state."""
    for i in range(rows.shape[0]):
        scale = 0.5 * math.exp(-0.25 * r * (now - last[i]))
        s = rows[i, S]
        d = rows[i, D]
        x = out[i]
        for c in range(x.shape[0]):
            x[c] = s[c] + scale * d[c]


@lazy_njit(
    types.void(
        array_type(types.float64, 3, readonly=True),
        array_type(types.float64, 1, readonly=True),
        types.float64,
        types.float64,
        types.float64,
        array_type(types.float64, 2),
    )
)
def integrated_iterates(rows, last, r, now, begin, area):
    """Bring the integrals of X up to time `now` without touching the state."""
    for i in range(rows.shape[0]):
        accumulate(rows[i], area[i], r, last[i], now, begin)
