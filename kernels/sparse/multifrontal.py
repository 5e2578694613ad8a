"""Multifrontal factorisation of a sparse symmetric matrix, selected inverse and its derivatives, in Numba.

The columns are grouped into supernodes. The front of a supernode is the dense symmetric matrix over its own k
columns (index 1) and the r later ones that they reach (index 2). Eliminating the own columns,

    K = F11^-1,   G = F21 K,   U = F22 - G F21',

and U is added to the front of the parent. The inverse Z on the same fronts comes from the parents down,

    Z22 (from the parent),   Z21 = -Z22 G,   Z11 = K - Z21' G,

which is the selected inverse of Takahashi, Fagan & Chen (1973) in blocks. Differentiating these lines once
(direction a) and twice (directions a and b) gives the entries of ``-Z A_a Z`` and of
``Z A_a Z A_b Z + Z A_b Z A_a Z`` at the same cost up to a small factor (derived; `reference` is dense).

The arrays of a group of arguments: `size` c = k + r, `own` k, `parent` (-1 for a root), `base` the
beginning of the c x c front in an array of fronts, `spot` the places of the r rows in the parent's front
from `spot_base` on, and `k_base`, `g_base` the beginnings of the k x k and r x k blocks. The last argument is
a flag, looked at once a front (and a pivot), at which the loops return unfinished (`interrupt`).
"""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import array_type, inner_njit, lazy_njit

_INT = array_type(types.int64, 1, readonly=True)
_REAL = array_type(types.float64, 1, readonly=True)
_OUT = array_type(types.float64, 1)
_TREE = (_INT,) * 8
_STOP = array_type(types.uint8, 1, readonly=True)


@inner_njit()
def _invert(A, stop):
    """Replace a symmetric matrix by its inverse (sweeps without pivoting); count negative and zero pivots."""
    n = A.shape[0]
    negative = 0
    logarithm = 0.0
    for k in range(n):
        if stop[0]:
            break
        d = A[k, k]
        if d < 0.0:
            negative += 1
        logarithm += np.log(abs(d))
        inverse = 1.0 / d
        A[k, k] = 1.0
        for j in range(n):
            A[k, j] *= inverse
        for i in range(n):
            if i != k:
                f = A[i, k]
                A[i, k] = 0.0
                for j in range(n):
                    A[i, j] -= f * A[k, j]
    for i in range(n):
        for j in range(i):
            mean = 0.5 * (A[i, j] + A[j, i])
            A[i, j] = mean
            A[j, i] = mean
    return negative, logarithm


@inner_njit()
def _send(U, parent_front, spot):
    """Add U to the front of the parent."""
    r = spot.shape[0]
    for p in range(r):
        row = parent_front[spot[p]]
        for q in range(r):
            row[spot[q]] += U[p, q]


@inner_njit()
def _fetch(Z, parent_front, spot):
    """Read the block of the parent's front at the rows of a child."""
    r = spot.shape[0]
    for p in range(r):
        row = parent_front[spot[p]]
        for q in range(r):
            Z[p, q] = row[spot[q]]


@inner_njit()
def _store(front, k, Z11, Z21, Z22):
    c = front.shape[0]
    for i in range(k):
        for j in range(k):
            front[i, j] = 0.5 * (Z11[i, j] + Z11[j, i])
    for i in range(k, c):
        for j in range(k):
            front[i, j] = Z21[i - k, j]
            front[j, i] = Z21[i - k, j]
        for j in range(k, c):
            front[i, j] = Z22[i - k, j - k]


@lazy_njit(types.Tuple((types.int64, types.float64))(*_TREE, _OUT, _OUT, _OUT, _STOP))
def factor(size, own, parent, base, spot, spot_base, k_base, g_base, fronts, Ks, Gs, stop):
    """Eliminate; `fronts` holds the matrix and is used up.

    Returns the number of negative pivots, and the logarithm of the modulus of the determinant.
    """
    negative, logarithm = 0, 0.0
    for s in range(size.shape[0]):
        if stop[0]:
            return negative, logarithm
        c, k = size[s], own[s]
        r = c - k
        F = fronts[base[s] : base[s] + c * c].reshape(c, c)
        K = F[:k, :k].copy()
        count, part = _invert(K, stop)
        negative += count
        logarithm += part
        Ks[k_base[s] : k_base[s] + k * k] = K.reshape(k * k)
        if r == 0:
            continue
        F21 = F[k:, :k].copy()
        G = np.dot(F21, K)
        Gs[g_base[s] : g_base[s] + r * k] = G.reshape(r * k)
        U = F[k:, k:] - np.dot(G, F21.T)
        t = parent[s]
        P = fronts[base[t] : base[t] + size[t] * size[t]].reshape(size[t], size[t])
        _send(U, P, spot[spot_base[s] : spot_base[s] + r])
    return negative, logarithm


@lazy_njit(types.void(*_TREE, _REAL, _REAL, _OUT, _STOP))
def invert(size, own, parent, base, spot, spot_base, k_base, g_base, Ks, Gs, fronts, stop):
    """Fill the fronts with the entries of the inverse."""
    for s in range(size.shape[0] - 1, -1, -1):
        if stop[0]:
            return
        c, k = size[s], own[s]
        r = c - k
        F = fronts[base[s] : base[s] + c * c].reshape(c, c)
        K = Ks[k_base[s] : k_base[s] + k * k].reshape(k, k)
        if r == 0:
            F[:, :] = K
            continue
        G = Gs[g_base[s] : g_base[s] + r * k].reshape(r, k)
        t = parent[s]
        P = fronts[base[t] : base[t] + size[t] * size[t]].reshape(size[t], size[t])
        Z22 = np.empty((r, r))
        _fetch(Z22, P, spot[spot_base[s] : spot_base[s] + r])
        Z21 = np.dot(Z22, G)
        Z11 = K + np.dot(G.T, Z21)
        _store(F, k, Z11, -Z21, Z22)


@lazy_njit(types.void(*_TREE, _REAL, _REAL, _REAL, _OUT, _OUT, _OUT, _OUT, _STOP))
def differentiate(
    size, own, parent, base, spot, spot_base, k_base, g_base, Ks, Gs, fronts, fronts_a, Fs_a, Es_a, Gs_a, stop
):
    """Replace the direction in `fronts_a` by the derivative of the inverse that is in `fronts`.

    Keeps the derivatives of F11, of G, and ``E = F21_a - G F11_a`` for `differentiate_twice`.
    """
    for s in range(size.shape[0]):
        if stop[0]:
            return
        c, k = size[s], own[s]
        r = c - k
        F = fronts_a[base[s] : base[s] + c * c].reshape(c, c)
        F11 = F[:k, :k].copy()
        Fs_a[k_base[s] : k_base[s] + k * k] = F11.reshape(k * k)
        if r == 0:
            continue
        K = Ks[k_base[s] : k_base[s] + k * k].reshape(k, k)
        G = Gs[g_base[s] : g_base[s] + r * k].reshape(r, k)
        F21 = F[k:, :k].copy()
        E = F21 - np.dot(G, F11)
        Es_a[g_base[s] : g_base[s] + r * k] = E.reshape(r * k)
        Gs_a[g_base[s] : g_base[s] + r * k] = np.dot(E, K).reshape(r * k)
        U = F[k:, k:] - np.dot(E, G.T) - np.dot(G, F21.T)
        t = parent[s]
        P = fronts_a[base[t] : base[t] + size[t] * size[t]].reshape(size[t], size[t])
        _send(U, P, spot[spot_base[s] : spot_base[s] + r])
    for s in range(size.shape[0] - 1, -1, -1):
        if stop[0]:
            return
        c, k = size[s], own[s]
        r = c - k
        F = fronts_a[base[s] : base[s] + c * c].reshape(c, c)
        K = Ks[k_base[s] : k_base[s] + k * k].reshape(k, k)
        F11 = Fs_a[k_base[s] : k_base[s] + k * k].reshape(k, k)
        K_a = -np.dot(np.dot(K, F11), K)
        if r == 0:
            F[:, :] = K_a
            continue
        G = Gs[g_base[s] : g_base[s] + r * k].reshape(r, k)
        G_a = Gs_a[g_base[s] : g_base[s] + r * k].reshape(r, k)
        t = parent[s]
        P = fronts_a[base[t] : base[t] + size[t] * size[t]].reshape(size[t], size[t])
        Z22_a = np.empty((r, r))
        _fetch(Z22_a, P, spot[spot_base[s] : spot_base[s] + r])
        Z = fronts[base[s] : base[s] + c * c].reshape(c, c)
        Z21, Z22 = Z[k:, :k].copy(), Z[k:, k:].copy()
        Z21_a = -np.dot(Z22_a, G) - np.dot(Z22, G_a)
        Z11_a = K_a - np.dot(Z21_a.T, G) - np.dot(Z21.T, G_a)
        _store(F, k, Z11_a, Z21_a, Z22_a)


@lazy_njit(types.void(*_TREE, *(_REAL,) * 7, *(_OUT,) * 6, _STOP))
def differentiate_twice(
    size, own, parent, base, spot, spot_base, k_base, g_base,
    Ks, Gs, fronts, fronts_a, Fs_a, Es_a, Gs_a,
    fronts_b, fronts_ab, Fs_b, Gs_b, Fs_ab, Gs_ab, stop,
):  # fmt: skip
    """Replace the direction in `fronts_b` by its derivative of the inverse, and fill the mixed one.

    `fronts_ab` comes as zeros; what ends in a or b is as in `differentiate`.
    """
    for s in range(size.shape[0]):
        if stop[0]:
            return
        c, k = size[s], own[s]
        r = c - k
        Fb = fronts_b[base[s] : base[s] + c * c].reshape(c, c)
        Fab = fronts_ab[base[s] : base[s] + c * c].reshape(c, c)
        Fb11, Fab11 = Fb[:k, :k].copy(), Fab[:k, :k].copy()
        Fs_b[k_base[s] : k_base[s] + k * k] = Fb11.reshape(k * k)
        Fs_ab[k_base[s] : k_base[s] + k * k] = Fab11.reshape(k * k)
        if r == 0:
            continue
        K = Ks[k_base[s] : k_base[s] + k * k].reshape(k, k)
        G = Gs[g_base[s] : g_base[s] + r * k].reshape(r, k)
        Fa11 = Fs_a[k_base[s] : k_base[s] + k * k].reshape(k, k)
        E_a = Es_a[g_base[s] : g_base[s] + r * k].reshape(r, k)
        G_a = Gs_a[g_base[s] : g_base[s] + r * k].reshape(r, k)
        Fb21, Fab21 = Fb[k:, :k].copy(), Fab[k:, :k].copy()
        E_b = Fb21 - np.dot(G, Fb11)
        G_b = np.dot(E_b, K)
        E_ab = Fab21 - np.dot(G, Fab11)
        G_ab = np.dot(E_ab - np.dot(G_b, Fa11) - np.dot(G_a, Fb11), K)
        Gs_b[g_base[s] : g_base[s] + r * k] = G_b.reshape(r * k)
        Gs_ab[g_base[s] : g_base[s] + r * k] = G_ab.reshape(r * k)
        rows = spot[spot_base[s] : spot_base[s] + r]
        t = parent[s]
        both = size[t] * size[t]
        P = fronts_b[base[t] : base[t] + both].reshape(size[t], size[t])
        _send(Fb[k:, k:] - np.dot(E_b, G.T) - np.dot(G, Fb21.T), P, rows)
        P = fronts_ab[base[t] : base[t] + both].reshape(size[t], size[t])
        mixed = np.dot(E_a, G_b.T)
        _send(Fab[k:, k:] - np.dot(E_ab, G.T) - np.dot(G, Fab21.T) - mixed - mixed.T, P, rows)
    for s in range(size.shape[0] - 1, -1, -1):
        if stop[0]:
            return
        c, k = size[s], own[s]
        r = c - k
        Fb = fronts_b[base[s] : base[s] + c * c].reshape(c, c)
        Fab = fronts_ab[base[s] : base[s] + c * c].reshape(c, c)
        K = Ks[k_base[s] : k_base[s] + k * k].reshape(k, k)
        KF_a = np.dot(K, Fs_a[k_base[s] : k_base[s] + k * k].reshape(k, k))
        KF_b = np.dot(K, Fs_b[k_base[s] : k_base[s] + k * k].reshape(k, k))
        K_b = -np.dot(KF_b, K)
        mixed = np.dot(np.dot(KF_a, KF_b), K)
        K_ab = mixed + mixed.T - np.dot(np.dot(K, Fs_ab[k_base[s] : k_base[s] + k * k].reshape(k, k)), K)
        if r == 0:
            Fb[:, :] = K_b
            Fab[:, :] = K_ab
            continue
        G = Gs[g_base[s] : g_base[s] + r * k].reshape(r, k)
        G_a = Gs_a[g_base[s] : g_base[s] + r * k].reshape(r, k)
        G_b = Gs_b[g_base[s] : g_base[s] + r * k].reshape(r, k)
        G_ab = Gs_ab[g_base[s] : g_base[s] + r * k].reshape(r, k)
        rows = spot[spot_base[s] : spot_base[s] + r]
        t = parent[s]
        both = size[t] * size[t]
        Zb22, Zab22 = np.empty((r, r)), np.empty((r, r))
        _fetch(Zb22, fronts_b[base[t] : base[t] + both].reshape(size[t], size[t]), rows)
        _fetch(Zab22, fronts_ab[base[t] : base[t] + both].reshape(size[t], size[t]), rows)
        Z = fronts[base[s] : base[s] + c * c].reshape(c, c)
        Z21, Z22 = Z[k:, :k].copy(), Z[k:, k:].copy()
        Za = fronts_a[base[s] : base[s] + c * c].reshape(c, c)
        Za21, Za22 = Za[k:, :k].copy(), Za[k:, k:].copy()
        Zb21 = -np.dot(Zb22, G) - np.dot(Z22, G_b)
        Zb11 = K_b - np.dot(Zb21.T, G) - np.dot(Z21.T, G_b)
        Zab21 = -np.dot(Zab22, G) - np.dot(Za22, G_b) - np.dot(Zb22, G_a) - np.dot(Z22, G_ab)
        Zab11 = K_ab - np.dot(Zab21.T, G) - np.dot(Za21.T, G_b) - np.dot(Zb21.T, G_a) - np.dot(Z21.T, G_ab)
        _store(Fb, k, Zb11, Zb21, Zb22)
        _store(Fab, k, Zab11, Zab21, Zab22)


@lazy_njit(types.void(*_TREE, _INT, _INT, _REAL, _REAL, array_type(types.float64, 2), _STOP))
def solve(size, own, parent, base, spot, spot_base, k_base, g_base, nodes, node_base, Ks, Gs, x, stop):
    """Replace the right-hand sides, rows by node, by the solutions; `nodes` lists the nodes of the fronts."""
    width = x.shape[1]
    for s in range(size.shape[0]):
        if stop[0]:
            return
        k = own[s]
        r = size[s] - k
        if r == 0:
            continue
        b = np.empty((k, width))
        for i in range(k):
            b[i] = x[nodes[node_base[s] + i]]
        change = np.dot(Gs[g_base[s] : g_base[s] + r * k].reshape(r, k), b)
        for i in range(r):
            x[nodes[node_base[s] + k + i]] -= change[i]
    for s in range(size.shape[0] - 1, -1, -1):
        if stop[0]:
            return
        k = own[s]
        r = size[s] - k
        b = np.empty((k, width))
        for i in range(k):
            b[i] = x[nodes[node_base[s] + i]]
        b = np.dot(Ks[k_base[s] : k_base[s] + k * k].reshape(k, k), b)
        if r > 0:
            later = np.empty((r, width))
            for i in range(r):
                later[i] = x[nodes[node_base[s] + k + i]]
            b -= np.dot(Gs[g_base[s] : g_base[s] + r * k].reshape(r, k).T, later)
        for i in range(k):
            x[nodes[node_base[s] + i]] = b[i]
