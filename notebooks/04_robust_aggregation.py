# %% [markdown]
# # Robust aggregation: theory next to measurement
#
# A server receives $p$ vectors $x_1, \dots, x_p \in \mathbb R^d$, gradients of workers, of which $f$ are
# faulty: they may be anything. An *aggregator* makes one vector of them. The mean is moved anywhere by a
# single faulty one. **Flag** projects on the subspace $Y \in \mathbb R^{d \times m}$, $Y^\top Y = I$, that
# is nearest to most of the unit vectors $h_i = x_i / |x_i|$,
#
# $$ \min_Y \sum_i \sqrt{1 - v_i + \varepsilon}, \quad v_i = |Y^\top h_i|^2, \qquad \text{result} \quad
#    \frac1m \, Y Y^\top \sum_i h_i , \qquad \varepsilon = 10^{-7}. $$
#
# Each section states a claim, measures it, and asserts it:
#
# 1. Flag is a median where principal components are a mean; each iteration lowers the objective.
# 2. The $p \times p$ Gram matrix holds all that Flag needs: it equals the form with a singular value
#    decomposition of $d \times p$ numbers an iteration, and reads the data twice.
# 3. What is done about the *norms* decides how far a faulty worker can pull.
# 4. On digits, with 3 of 15 workers faulty: who survives which attack.
# 5. Dropping the norms explains nearly all of it; the subspace adds little, and $v_i$ is no score of trust.
# 6. Without a server, rules that clip, trim or remove neighbours survive where plain gossip does not.
#
# Seeds are fixed.

# %%
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small: more BLAS threads would only wait

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from gossamer import graphs, problems, solvers
from gossamer.kernels.aggregation import (
    NNM,
    CoordinateMedian,
    Flag,
    Mean,
    MultiKrum,
    NormalizedMean,
)
from gossamer.problems import attacks
from gossamer.solvers.gossip_rules import BRIDGE, NNA, ClippedGossip, OnDifferences, PlainGossip

BLUE, ORANGE, GREEN, PURPLE, SKY, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#6b7280"
plt.rcParams.update(
    {
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": "medium",
        "legend.frameon": False,
        "lines.markersize": 4,
    }
)

# %% [markdown]
# ## 1. What Flag computes
#
# **Claim.** In the plane and for $m = 1$ the subspace is a line at an angle $\theta$ and $\sqrt{1 - v_i} =
# |\sin(\theta - \theta_i)|$. Principal components minimise the sum of *squares* of these, and follow the
# outliers; Flag minimises the sum, and stays with the majority, as a median does. It iterates principal
# components of reweighted vectors, from equal weights on: its first step *is* principal components. No
# iteration raises the objective.

# %%
rng = np.random.default_rng(1)
angles = np.radians(np.concatenate([62 + 5 * rng.normal(size=8), 6 * rng.normal(size=5)]))
lengths = rng.uniform(0.6, 1.4, angles.size)
G = lengths[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])


def line(value):
    """Angle of a line, in [0, pi)."""
    return np.arctan2(value[1], value[0]) % np.pi


components = Flag(m=1, max_iter=1)(G)
found = Flag(m=1, max_iter=100, tol=0.0)(G, full=True)
grid = np.radians(np.linspace(0, 180, 100_001))
sines = np.abs(np.sin(grid[:, None] - angles))
best_median, best_squares = grid[sines.sum(axis=1).argmin()], grid[(sines**2).sum(axis=1).argmin()]

figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.4), width_ratios=(1, 1.25, 1))
for x, faulty in zip(G, np.arange(13) >= 8, strict=True):
    panels[0].annotate(
        "", x, (0, 0), arrowprops={"arrowstyle": "->", "color": GREY if faulty else "black", "alpha": 0.7}
    )
for value, color, label in ((components, ORANGE, "principal component"), (found.value, BLUE, "Flag")):
    theta = line(value)
    ray = 1.6 * np.array([np.cos(theta), np.sin(theta)])
    panels[0].plot(*np.transpose([-0.3 * ray, ray]), color=color, label=label, linewidth=2)
panels[0].set(aspect="equal", xlim=(-0.7, 1.7), ylim=(-0.9, 1.7), title="vectors and lines")
panels[0].legend(loc="lower right", fontsize="small")
panels[1].plot(np.degrees(grid), sines.sum(axis=1), color=BLUE, label=r"$\sum_i |\sin(\theta - \theta_i)|$")
panels[1].plot(
    np.degrees(grid), (sines**2).sum(axis=1), color=ORANGE, label=r"$\sum_i \sin^2(\theta - \theta_i)$"
)
for theta, color in ((line(found.value), BLUE), (line(components), ORANGE)):
    panels[1].axvline(np.degrees(theta), color=color, linestyle=":")
panels[1].set(xlabel=r"$\theta$ (degrees)", ylim=(0, 16), title="what they minimise")
panels[1].legend(loc="upper right", fontsize="small")
objective = np.array(found.details["objective"])
panels[2].semilogy(objective - objective[-1] + 1e-16, "o-", color=BLUE)
panels[2].set(xlabel="iteration", ylim=(1e-14, None), title="objective above its last value")
plt.show()

# %% [markdown]
# **Assertion.** Both lines are where the objectives on a fine grid of angles are least, within 0.05 degrees
# ($\varepsilon$ rounds off the minimum); Flag is within 5 degrees of the majority, principal components are
# not; the objective never rises by more than rounding.

# %%
assert abs(line(found.value) - best_median) < np.radians(0.05)
assert abs(line(components) - best_squares) < np.radians(0.05)
majority = angles[:8].mean()
assert abs(line(found.value) - majority) < np.radians(5) < abs(line(components) - majority)
assert np.all(np.diff(objective) <= 1e-10)

# %% [markdown]
# ## 2. The Gram matrix is enough
#
# **Claim.** All weighted vectors lie in the span of the $h_i$, so with $K_{ij} = \langle h_i, h_j \rangle$
# the iteration runs in $p \times p$ matrices; also with the pairwise terms $\frac{\lambda}{p(p-1)} \sum_{i
# \ne j} \sqrt{1 - v_{ij} + \varepsilon}$ of normalised differences, for which the explicit form decomposes
# a matrix of $p + p(p-1)$ columns. The two agree to rounding.


# %%
def flag_by_svd(G, m, n_iterations, lam=0.0, eps=1e-7):
    """Flag from its definition: a singular value decomposition of all weighted columns each iteration."""
    p = len(G)
    H = (G / np.linalg.norm(G, axis=1)[:, None]).T
    columns, cost = H, np.ones(p)
    if lam > 0:
        i, j = np.nonzero(~np.eye(p, dtype=bool))
        pairs = H[:, i] - H[:, j]
        columns = np.hstack([H, pairs / np.linalg.norm(pairs, axis=0)])
        cost = np.concatenate([cost, np.full(i.size, lam / (p * (p - 1)))])
    weights = np.where(np.arange(cost.size) < p, 1.0, 0.0)  # begins with principal components of the h_i
    for _ in range(n_iterations):
        Y = np.linalg.svd(columns * weights, full_matrices=False)[0][:, :m]
        residuals = columns - Y @ (Y.T @ columns)
        weights = np.sqrt(cost) * ((residuals**2).sum(axis=0) + eps) ** -0.25
    return Y @ (Y.T @ H.sum(axis=1)) / m


def seconds(call):
    """Return the lesser of two times; what is compiled has been before."""
    taken = []
    for _ in range(2):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return min(taken)


rows = []
for p, d, lam in ((15, 50_000, 0.0), (30, 10_000, 0.0), (15, 3_000, 1.0)):
    rng = np.random.default_rng(p)
    G = rng.normal(size=(p, 4)) @ rng.normal(size=(4, d)) + 0.05 * rng.normal(size=(p, d))
    rule = Flag(m=4, lam=lam, max_iter=5, tol=0.0)
    explicit = flag_by_svd(G, 4, 5, lam)
    rows.append(
        {
            "p": p,
            "d": d,
            "lambda": lam,
            "relative difference": np.linalg.norm(rule(G) - explicit) / np.linalg.norm(explicit),
            "SVD (ms)": 1e3 * seconds(lambda G=G, lam=lam: flag_by_svd(G, 4, 5, lam)),
            "Gram (ms)": 1e3 * seconds(lambda G=G, rule=rule: rule(G)),
        }
    )
forms = pd.DataFrame(rows)
forms

# %% [markdown]
# **Assertion.** The difference is below $10^{-10}$. (Times are this machine's, and are shown only.)

# %%
assert np.all(forms["relative difference"] < 1e-10)

# %% [markdown]
# ## 3. Norms decide
#
# **Claim.** Let three of fifteen vectors point elsewhere, with a length $s$ times that of the others. The
# mean, and Flag with the norms as they are (`scale="raw"`), are pulled in proportion to $s$. With unit
# vectors the result has norm at most $p/m$, whatever is sent; the mean of unit vectors, at most 1. Lengths
# cut off at the median, or replaced by it, keep the result within a few median norms.

# %%
rng = np.random.default_rng(2)
p, f, d, m = 15, 3, 500, 8
signal = rng.normal(size=d)
honest = signal / np.linalg.norm(signal) + 0.7 * rng.normal(size=(p - f, d)) / np.sqrt(d)
elsewhere = rng.normal(size=(f, d)) / np.sqrt(d)
unit = np.median(np.linalg.norm(honest, axis=1))
factors = np.geomspace(1e-2, 1e6, 33)
treatments = {
    'Flag, "raw"': (Flag(m=m, scale="raw"), ORANGE, "-"),
    "mean": (Mean(), GREY, ":"),
    'Flag, "clip"': (Flag(m=m, scale="clip"), GREEN, "-"),
    'Flag, "unit"': (Flag(m=m), BLUE, "-"),
    'Flag, "median"': (Flag(m=m, scale="median"), PURPLE, ":"),
    "normalised mean": (NormalizedMean(), SKY, "--"),
}
pulls = {}
for name, (rule, _, _) in treatments.items():
    sent = (np.vstack([honest, s * unit * elsewhere]) for s in factors)
    pulls[name] = np.array([np.linalg.norm(rule(G)) for G in sent]) / unit

figure, axes = plt.subplots(figsize=(6.4, 3.6))
for name, (_, color, style) in treatments.items():
    axes.loglog(factors, pulls[name], style, color=color, label=name, linewidth=2)
axes.set(xlabel="length of the faulty vectors / median length", ylabel="norm of the result / median length")
axes.legend(loc="upper left", fontsize="small")
plt.show()

# %% [markdown]
# **Assertion.** From $s = 10^5$ to $10^6$, mean and raw Flag grow tenfold within 1 %; the other results
# stay below their bounds, and do not change by more than 1 % any more.

# %%
last = {name: pull[-1] / pull[factors.searchsorted(0.99e5)] for name, pull in pulls.items()}
assert all(abs(last[name] - 10) < 0.1 for name in ("mean", 'Flag, "raw"'))
assert all(abs(last[name] - 1) < 0.01 for name in set(pulls) - {"mean", 'Flag, "raw"'})
assert np.all(pulls['Flag, "unit"'] * unit <= p / m)
assert np.all(pulls["normalised mean"] * unit <= 1)
assert np.all(pulls['Flag, "clip"'] <= 1.0)
assert np.allclose(pulls['Flag, "median"'], 1.0, rtol=0.05)

# %% [markdown]
# ## 4. Who survives which attack
#
# **Claim.** A perceptron with 32 hidden units learns digits: 15 workers, each with a random part of the
# data, 3 of them faulty, mini-batches of 24, momentum 0.9 at the server, 150 rounds. Where faulty workers
# send noise, $-10 g$ or $-5 \mu$ ($\mu$ the honest mean), the mean and raw Flag end near chance, 10 %. Unit
# Flag and the normalised mean stay useful under every attack here. `ALIE(1.5)`, the honest mean less 1.5
# standard deviations in each coordinate, is small enough to pass for honest; it costs a few points.
#
# Step sizes are equal for all rules, so differences of a few points mean nothing: the command
# `gossamer robustness` chooses them for each rule on samples set aside.

# %%
X, y = problems.load("digits")
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order] / 16, y[order]
test = X[1437:], y[1437:]
digits = problems.Perceptron.from_data(X[:1437], y[:1437], 15, test=test, hidden=(32,), l2=1e-4)
rules = {
    "mean": Mean(),
    "coordinate median": CoordinateMedian(),
    "Multi-Krum": MultiKrum(3),
    "normalised mean": NormalizedMean(),
    "Flag, raw": Flag(max_iter=5, scale="raw"),
    "Flag": Flag(max_iter=5),
    "NNM, then Flag": NNM(3) >> Flag(max_iter=5),
}
threats = {
    "none": None,
    "noise": attacks.UniformNoise(),
    r"$-10\,g$": attacks.ReversedGradient(),
    r"$-5\,\mu$": attacks.IPM(5.0),
    r"$-0.1\,\mu$": attacks.IPM(0.1),
    "ALIE(1.5)": attacks.ALIE(1.5),
}


def accuracy(rule, attack, problem=digits, n_rounds=150):
    """Return the test accuracy in the end."""
    solver = solvers.RobustSGD(rule, f=3, attack=attack, step=0.05, server_momentum=0.9, batch_size=24)
    star = graphs.star(problem.n_nodes)
    result = solver.solve(problem, star, digits.start(0), tol=0, max_events=n_rounds, record_every=n_rounds)
    return result.trace["accuracy"][-1]


survival = pd.DataFrame({t: {r: accuracy(rules[r], threats[t]) for r in rules} for t in threats})
flipped = digits.flipped([12, 13, 14])
survival["labels flipped"] = [accuracy(rule, None, flipped) for rule in rules.values()]
survival["worst"] = survival.min(axis=1)

figure, axes = plt.subplots(figsize=(8.4, 3.6))
image = axes.imshow(survival, vmin=0, vmax=1, cmap="RdYlBu", aspect="auto")
axes.set_xticks(range(survival.shape[1]), survival.columns)
axes.set_yticks(range(survival.shape[0]), survival.index)
for i, j in np.ndindex(survival.shape):
    value = survival.iloc[i, j]
    axes.text(
        j,
        i,
        f"{100 * value:.0f}",
        ha="center",
        va="center",
        color="white" if abs(value - 0.5) > 0.4 else "black",
    )
axes.axvline(survival.shape[1] - 1.5, color="white", linewidth=3)
axes.spines[:].set_visible(False)
axes.tick_params(length=0)
axes.set_title("test accuracy (%), 3 of 15 workers faulty")
plt.show()

# %% [markdown]
# **Assertion.** Without attack all rules exceed 90 %. Mean and raw Flag fall below 30 % under noise, $-10g$
# and $-5\mu$; normalised mean and unit Flag exceed 85 % under every attack.

# %%
assert np.all(survival["none"] > 0.9)
strong = ["noise", r"$-10\,g$", r"$-5\,\mu$"]
assert np.all(survival.loc[["mean", "Flag, raw"], strong] < 0.3)
assert np.all(survival.loc[["normalised mean", "Flag"], "worst"] > 0.85)

# %% [markdown]
# ## 5. What protects, and what does not
#
# **Claim.** The mean of unit vectors, without any subspace, protects here as well as Flag: their worst
# cases differ by a few points. And the ratio $v_i = |Y^\top h_i|^2$ is no score of trust: three colluders,
# honest vectors being half signal and half noise, draw the subspace to themselves and get *higher* ratios
# than the honest for $m$ from 2 to 8, the default. Nor does the subspace see signs: $-x_i$ has the ratio of
# $x_i$.

# %%
rng = np.random.default_rng(5)
signal = rng.normal(size=1000)
signal /= np.linalg.norm(signal)
noise = rng.normal(size=(12, 1000)) / np.sqrt(1000)
common = rng.normal(size=1000) / np.sqrt(1000)
colluders = np.sqrt(0.75) * common + np.sqrt(0.25) * rng.normal(size=(3, 1000)) / np.sqrt(1000)
G = np.vstack([signal + noise, colluders])
turned = G * np.where(np.arange(15) == 4, -1.0, 1.0)[:, None]
dimensions = np.arange(1, 13)
ratios = np.array([Flag(m=int(m))(G, full=True).details["ratios"] for m in dimensions])
ratios_turned = np.array([Flag(m=int(m))(turned, full=True).details["ratios"] for m in dimensions])

figure, axes = plt.subplots(figsize=(6.0, 3.2))
axes.plot(dimensions, ratios[:, :12].mean(axis=1), "o-", color=BLUE, label="honest")
axes.plot(dimensions, ratios[:, 12:].mean(axis=1), "s-", color=ORANGE, label="colluders")
axes.set(xlabel="dimension $m$ of the subspace", ylabel="mean of $v_i$", ylim=(0, 1.02))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# **Assertion.** The worst cases differ by less than 7 points. For $m = 1$ colluders have far lower ratios,
# for $m$ from 2 to 8 higher ones. With a vector turned round, the ratios are the same to rounding.

# %%
worst = survival["worst"]
assert abs(worst["normalised mean"] - worst["Flag"]) < 0.07
gap = ratios[:, 12:].mean(axis=1) - ratios[:, :12].mean(axis=1)
assert gap[0] < -0.2
assert np.all(gap[1:8] > 0.05)
assert np.abs(ratios - ratios_turned).max() < 1e-7

# %% [markdown]
# ## 6. Without a server
#
# **Claim.** 14 nodes, each with 6 neighbours on a circulant graph, learn softmax regression on digits by
# gradient steps and gossip; nodes 12 and 13 are faulty. Plain gossip ends near chance, under noise and
# under dissension, which tells each neighbour what more than undoes its averaging. Rules that clip the
# differences to neighbours (`ClippedGossip`), remove the farthest (`NNA`), trim coordinates (`BRIDGE`), or
# take the direction from Flag and the length from the median difference, keep their accuracy. Under
# dissension a clipped lie still pulls: removing keeps the honest nodes nearer to each other than clipping.

# %%
n = 14
ring = graphs.Graph.from_edges(n, [(i, (i + k) % n) for i in range(n) for k in (1, 2, 3)])
softmax = problems.SoftmaxRegression.from_data(
    problems.add_intercept(X[:1437]), y[:1437], n, l2=1e-3, test=(problems.add_intercept(test[0]), test[1])
)
gossip = {
    "plain gossip": (PlainGossip(), GREY),
    "clipped": (ClippedGossip(2), ORANGE),
    "Flag on differences": (OnDifferences(Flag(max_iter=5)), PURPLE),
    "BRIDGE": (BRIDGE(2), SKY),
    "NNA": (NNA(2), BLUE),
}
dangers = {
    "no attack": None,
    "noise": attacks.UniformNoise(10.0),
    "dissension": attacks.Dissension(1.5),
}
courses = {}
for danger, attack in dangers.items():
    for name, (rule, _) in gossip.items():
        solver = solvers.RobustGossip(rule, f=2, attack=attack, step=0.3, batch_size=24)
        courses[danger, name] = solver.solve(softmax, ring, tol=0, max_events=120, record_every=5).trace

figure, panels = plt.subplots(2, 3, figsize=(10.0, 5.2), sharex=True, sharey="row")
for axes, danger in zip(panels.T, dangers, strict=True):
    for name, (_, color) in gossip.items():
        trace = courses[danger, name]
        axes[0].plot(trace["time"], 100 * trace["accuracy"], color=color, label=name)
        axes[1].semilogy(trace["time"][1:], trace["consensus"][1:], color=color)
    axes[0].set_title(danger)
    axes[1].set_xlabel("round")
panels[0, 0].set_ylabel("test accuracy (%)")
panels[1, 0].set(ylabel="distance to the mean", ylim=(0.02, 30))
panels[0, 0].legend(loc="lower right", fontsize="small")
plt.show()

# %%
ends = pd.DataFrame(
    {
        f"{column}, {danger}": {name: courses[danger, name][column][-1] for name in gossip}
        for column in ("accuracy", "consensus")
        for danger in dangers
    }
)
ends.round(3)

# %% [markdown]
# **Assertion.** Without attack all rules are within 4 points. Under noise and dissension plain gossip loses
# more than 50 points, all others less than 4. Under dissension the honest nodes are nearer to each other
# with NNA than with clipping.

# %%
clean = ends["accuracy, no attack"]
assert np.ptp(clean) < 0.04
for danger in ("noise", "dissension"):
    lost = clean - ends[f"accuracy, {danger}"]
    assert lost["plain gossip"] > 0.5
    assert np.all(lost.drop("plain gossip") < 0.04)
apart = ends["consensus, dissension"]
assert apart["NNA"] < apart["clipped"] < apart["plain gossip"]
