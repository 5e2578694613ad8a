"""Poisson events and DADAO in NumPy, three times: by matrix exponential, by closed form, in storage form.

`dadao_expm` is the definition: the six variables of the paper, a 6 x 6 matrix exponential per node and event.
`dadao_direct` replaces the exponential by its 20 non-zero coefficients; `dadao_storage` is what the compiled
loop does, one NumPy operation at a time. All three take `gradient(node, x)`, a Python function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..random import AliasTable
from ..random import reference as random
from ..random.streams import EVENT
from .cpu import GRADIENT_EVENT, HT, HY, ZB, D, DadaoConstants, G, S

Gradient = Callable[[int, np.ndarray], np.ndarray]


def poisson_events(
    table: AliasTable, rate: float, n_nodes: int, key: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First `count` events: times, kinds, indices."""
    w = random.words(key, EVENT, 0, count)
    gaps = random.exponential(key, EVENT, 0, count) * (1.0 / rate)
    slots = random.alias_draw(table.threshold, table.alias, w[:, 2], w[:, 3])
    kinds = (slots >= n_nodes).astype(np.uint8)
    return np.cumsum(gaps), kinds, np.where(kinds == GRADIENT_EVENT, slots, slots - n_nodes).astype(np.int32)


def flow_matrix(c: DadaoConstants) -> np.ndarray:
    """Matrix M of the flow u' = M u on (X, X~, Y, Y~, Z, Z~) of one node."""
    eta, alpha, alpha_tilde, theta = c.r / 8, c.r / 4, c.r / 8, 1 / (2 * c.r)
    return np.array(
        [
            [-eta, eta, 0, 0, 0, 0],
            [eta, -eta, 0, 0, 0, 0],
            [0, 0, -alpha, alpha, 0, 0],
            [0, -theta * c.nu, -theta, 0, -theta, 0],
            [0, 0, 0, 0, -alpha, alpha],
            [0, 0, 0, 0, alpha_tilde, -alpha_tilde],
        ]
    )


def flow_expm(c: DadaoConstants, t: float) -> np.ndarray:
    """exp(M t) by SciPy."""
    from scipy.linalg import expm

    return expm(flow_matrix(c) * t)


def flow_direct(c: DadaoConstants, t: float) -> np.ndarray:
    """exp(M t) in closed form: 20 coefficients from one exponential and one sine-cosine pair."""
    r, nu = c.r, c.nu
    alpha, theta, k = r / 4, 1 / (2 * r), 1 / (1 + 3 * r**2 / 8)
    q = np.exp(-r * t / 8)
    e2, e3 = q**2, q**3
    w = np.sqrt(1 / 8 - r**2 / 64)
    cs, sn = np.cos(w * t), np.sin(w * t) / w
    e00, e01 = q * (cs - alpha * sn / 2), q * alpha * sn
    e10, e11 = -q * theta * sn, q * (cs + alpha * sn / 2)
    u_y, u_t = 1 - e00 - e01, 1 - e10 - e11
    c_y, c_t = nu / 2 * (e2 - e00), -nu / 2 * e10
    h_y, h_t = k / 3 * (2 * e00 - e01 - 2 * e3), k / 3 * (2 * e10 - e11 + e3)
    return np.array(
        [
            [(1 + e2) / 2, (1 - e2) / 2, 0, 0, 0, 0],
            [(1 - e2) / 2, (1 + e2) / 2, 0, 0, 0, 0],
            [-nu / 2 * u_y + c_y, -nu / 2 * u_y - c_y, e00, e01, -u_y / 3 + h_y, -2 * u_y / 3 - h_y],
            [-nu / 2 * u_t + c_t, -nu / 2 * u_t - c_t, e10, e11, -u_t / 3 + h_t, -2 * u_t / 3 - h_t],
            [0, 0, 0, 0, (1 + 2 * e3) / 3, 2 * (1 - e3) / 3],
            [0, 0, 0, 0, (1 - e3) / 3, (2 + e3) / 3],
        ]
    )


def jump_gradient(u: np.ndarray, gradient: np.ndarray, c: DadaoConstants) -> None:
    """Gradient jump of one flowed node; u is (6, d): X, X~, Y, Y~, Z, Z~."""
    g = gradient - c.nu * u[0] - u[3]
    u[0] -= c.gamma * g
    u[1] -= c.gamma_tilde * g
    u[3] += (c.delta + c.delta_tilde) * g


def jump_communication(u: np.ndarray, v: np.ndarray, c: DadaoConstants) -> None:
    """Communication jump of two flowed nodes."""
    m = (u[2] + u[4]) - (v[2] + v[4])
    u[4] -= c.beta * m
    v[4] += c.beta * m
    u[5] -= c.beta_tilde * m
    v[5] += c.beta_tilde * m


def _run(events, edges, u, last, c, gradient, flow) -> None:
    """Apply events to the six variables u (n, 6, d), flowing only the nodes that an event touches."""
    for time, kind, index in zip(*events, strict=True):
        nodes = [index] if kind == GRADIENT_EVENT else edges[index]
        for i in nodes:
            u[i] = flow(c, time - last[i]) @ u[i]
            last[i] = time
        if kind == GRADIENT_EVENT:
            jump_gradient(u[index], gradient(index, u[index, 0].copy()), c)
        else:
            jump_communication(u[nodes[0]], u[nodes[1]], c)


def dadao_expm(events, edges, u, last, c: DadaoConstants, gradient: Gradient) -> None:
    """Apply events to the six variables u (n, 6, d) and the clocks last (n,), by matrix exponentials."""
    _run(events, edges, u, last, c, gradient, flow_expm)


def dadao_direct(events, edges, u, last, c: DadaoConstants, gradient: Gradient) -> None:
    """Apply events to the six variables u (n, 6, d) and the clocks last (n,), by the closed form."""
    _run(events, edges, u, last, c, gradient, flow_direct)


def dadao_storage(events, edges, rows, last, c: DadaoConstants, gradient: Gradient) -> None:
    """Apply events to the stored rows (n, 6, d) and the clocks last (n,): the compiled loop in NumPy."""
    r, nu = c.r, c.nu
    k = 1 / (1 + 3 * r**2 / 8)
    w = np.sqrt(1 / 8 - r**2 / 64)
    p, q = (c.beta + 2 * c.beta_tilde) / 3, c.beta_tilde - c.beta

    def flow(a: np.ndarray, t: float) -> None:
        decay = np.exp(-r * t / 8)
        cs, sn = np.cos(w * t), np.sin(w * t) / w
        a[D] *= decay**2
        a[G] *= decay**3
        hy = decay * ((cs - r * sn / 8) * a[HY] + r * sn / 4 * a[HT])
        a[HT] = decay * (-sn / (2 * r) * a[HY] + (cs + r * sn / 8) * a[HT])
        a[HY] = hy

    for time, kind, index in zip(*events, strict=True):
        if kind == GRADIENT_EVENT:
            a = rows[index]
            flow(a, time - last[index])
            last[index] = time
            x = a[S] + a[D] / 2
            g = gradient(index, x) - nu * x - (a[HT] - nu * a[S] - a[ZB] + k / 3 * a[G])
            a[S] -= (c.gamma + c.gamma_tilde) / 2 * g
            a[D] += (c.gamma_tilde - c.gamma) * g
            a[HY] -= nu * c.gamma_tilde * g
            a[HT] += (c.delta + c.delta_tilde - nu * (c.gamma + c.gamma_tilde) / 2) * g
        else:
            i, j = edges[index]
            messages = []
            for node in (i, j):
                a = rows[node]
                flow(a, time - last[node])
                last[node] = time
                messages.append(a[HY] - nu * a[S] + nu / 2 * a[D] + 2 / 3 * (1 - k) * a[G])
            m = messages[0] - messages[1]
            for a, sign in ((rows[i], 1), (rows[j], -1)):
                a[ZB] -= sign * p * m
                a[G] += sign * q * m
                a[HY] += sign * (-p + 2 * k * q / 3) * m
                a[HT] += sign * (-p - k * q / 3) * m


def to_variables(rows: np.ndarray, c: DadaoConstants) -> np.ndarray:
    """Stored rows (n, 6, d) -> X, X~, Y, Y~, Z, Z~ at the same times, (n, 6, d)."""
    s, d, hy, ht, zb, g = np.moveaxis(rows, 1, 0)
    k = 1 / (1 + 3 * c.r**2 / 8)
    y = hy - (c.nu * s + zb) + c.nu * d / 2 - 2 * k / 3 * g
    yt = ht - (c.nu * s + zb) + k / 3 * g
    return np.stack([s + d / 2, s - d / 2, y, yt, zb + 2 * g / 3, zb - g / 3], axis=1)


def to_rows(u: np.ndarray, c: DadaoConstants) -> np.ndarray:
    """X, X~, Y, Y~, Z, Z~ (n, 6, d) -> stored rows (n, 6, d)."""
    x, xt, y, yt, z, zt = np.moveaxis(u, 1, 0)
    k = 1 / (1 + 3 * c.r**2 / 8)
    s, d, zb, g = (x + xt) / 2, x - xt, (z + 2 * zt) / 3, z - zt
    hy = y + (c.nu * s + zb) - c.nu * d / 2 + 2 * k / 3 * g
    ht = yt + (c.nu * s + zb) - k / 3 * g
    return np.stack([s, d, hy, ht, zb, g], axis=1)
