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
#    decomposition of $d \times p$ numbers an iteration.
# 3. What is done about the *norms* decides how far a faulty worker can pull.
# 4. On digits, with 3 of 15 workers faulty: who survives which attack.
# 5. How strong ALIE is depends on $f/p$, on its $z$ and on the spread of the honest gradients; where that is
#    small, even the mean survives it.
# 6. Dropping the norms explains nearly all of it; the subspace adds little, and $v_i$ is no score of trust.
# 7. Without a server, rules that clip, trim or remove neighbours survive where plain gossip does not: all of
#    them for softmax regression.
# 8. For a perceptron only removing survives noise that always pushes the same way.
#
# Seeds are fixed. A rule *survives* an attack if the test accuracy in the end is above 90 %.

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

SURVIVES = 0.9

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
# Flag and the normalised mean survive every attack here. `ALIE(1.5)`, the honest mean less 1.5 standard
# deviations in each coordinate, is small enough to pass for honest; it costs a few points, and the plain mean
# survives it, too: see the next section.
#
# Step sizes are equal for all rules, so differences of a few points mean nothing: the command
# `gossamer robustness` chooses them for each rule on samples set aside. In its run on digits, in `docs/`,
# the steps go from 0.0125 to 0.8; about a third of the rows with data dealt out at random choose one of these
# two ends, and three quarters with data sorted by label: a wider grid might still find something better.

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


def accuracy(rule, attack, problem=digits, n_rounds=150, f=3, batch_size=24):
    """Return the test accuracy in the end."""
    solver = solvers.RobustSGD(
        rule, f=f, attack=attack, step=0.05, server_momentum=0.9, batch_size=batch_size
    )
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
# **Assertion.** Without attack all rules exceed what counts as survival. Mean and raw Flag fall below 30 %
# under noise, $-10g$ and $-5\mu$; normalised mean and unit Flag survive every attack; the mean survives
# `ALIE(1.5)`.

# %%
assert np.all(survival["none"] > SURVIVES)
strong = ["noise", r"$-10\,g$", r"$-5\,\mu$"]
assert np.all(survival.loc[["mean", "Flag, raw"], strong] < 0.3)
assert np.all(survival.loc[["normalised mean", "Flag"], "worst"] > SURVIVES)
assert survival.loc["mean", "ALIE(1.5)"] > SURVIVES

# %% [markdown]
# ## 5. What a little is worth
#
# **Claim.** ALIE sends $\mu - z \sigma$, coordinate by coordinate, $\mu$ and $\sigma$ mean and standard
# deviation of the honest vectors. So the mean of all $p$ is exactly $\mu - \frac fp z \sigma$, and the pull
# $\frac fp z |\sigma| / |\mu|$ grows with the share of the faulty, with $z$, and with the spread of the
# gradients, which larger mini-batches make smaller. The paper's formula gives $z = 0.21$ for 3 of 15 workers
# and $z = 1.15$ for 7. Against the mean the strongest $z$ is the largest that is allowed. Nothing follows
# from $z = 1.5$ alone: with $f = 3$ and batches of 24 the mean survives it; with batches of 4, or with
# $f = 7$, it does not.


# %%
def batch_gradients(batch_size):
    """Gradients of 15 workers at the start, each of as many samples."""
    n_samples = 15 * batch_size
    few = problems.Perceptron.from_data(X[:n_samples], y[:n_samples], 15, hidden=(32,), l2=1e-4)
    return np.array([few.gradient(i, digits.start(0)) for i in range(15)])


rows = []
cases = (3, 0, 24), (3, 0, 4), (3, None, 24), (3, 1.5, 24), (3, 10, 24), (3, 1.5, 4), (7, 1.5, 24)
for f, z, batch_size in cases:  # z None: the formula's; z 0: no attack
    attack = None if z == 0 else attacks.ALIE(z)
    honest = batch_gradients(batch_size)[: 15 - f]
    mu, sigma = honest.mean(axis=0), honest.std(axis=0)
    number = attacks.alie_z(15 - f, f) if z is None else z
    predicted = mu - f / 15 * number * sigma
    found = Mean()(np.vstack([honest, attacks.ALIE(z)(honest, f)]))
    rows.append(
        {
            "f": f,
            "z": number,
            "batch": batch_size,
            "pull at the start": f / 15 * number * np.linalg.norm(sigma) / np.linalg.norm(mu),
            "error of the formula": np.linalg.norm(found - predicted) / np.linalg.norm(predicted),
            "accuracy": accuracy(Mean(), attack, f=f, batch_size=batch_size),
        }
    )
little = pd.DataFrame(rows)
little.round(3)

# %% [markdown]
# **Assertion.** The formula holds to rounding; the optimised attack on the mean is the one with the largest
# $z$. With $f = 3$ and batches of 24 the mean survives the paper's $z$ and 1.5, and falls below 70 % with
# $z = 10$. With $z = 1.5$ it falls below 70 % with batches of 4, which without attack it survives, and with
# $f = 7$.

# %%
assert np.all(little["error of the formula"] < 1e-12)
honest = batch_gradients(24)[:12]
strongest = attacks.OptimizedALIE(Mean(), limit=10.0)(honest, 3)
assert np.allclose(strongest, attacks.ALIE(10.0)(honest, 3), rtol=1e-12)
fate = little.set_index(["f", "batch", little["z"].round(2)])["accuracy"]
assert np.all(fate[[(3, 24, 0.21), (3, 24, 1.5), (3, 4, 0.0)]] > SURVIVES)
assert np.all(fate[[(3, 24, 10.0), (3, 4, 1.5), (7, 24, 1.5)]] < 0.7)
assert little["z"][2].round(4) == 0.2104
assert round(attacks.alie_z(8, 7), 2) == 1.15

# %% [markdown]
# ## 6. What protects, and what does not
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
# ## 7. Without a server
#
# **Claim.** 14 nodes, each with 6 neighbours on a circulant graph, learn softmax regression on digits by
# gradient steps and gossip; nodes 12 and 13 are faulty. Plain gossip ends near chance, under noise and
# under dissension, which tells each neighbour what more than undoes its averaging. Rules that clip the
# differences to neighbours (`ClippedGossip`), remove the farthest (`NNA`), trim coordinates (`BRIDGE`), or
# take the direction from Flag and the length from the median difference, keep their accuracy. Under
# dissension a clipped lie still pulls: removing keeps the honest nodes nearer to each other than clipping.
# That clipping survives noise here is no property of clipping alone: see the next section.

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

# %% [markdown]
# ## 8. Noise that pushes one way
#
# **Claim.** Noise uniform on $[0, s)$ has the mean $s/2$ in each coordinate: clipped lies of that kind are
# short, but push the same way in every round. Softmax regression does not mind, for a shift of all classes'
# weights by the same leaves its predictions as they are. The perceptron of section 4 does: of 14 honest
# nodes, each with 5 honest and 2 faulty neighbours, clipping and Flag on differences end near chance,
# trimming loses some accuracy, and only removing the farthest (`NNA`) keeps it. Under normal noise of the
# same mean square, but of mean zero, all survive.

# %%
n = 16
edges = {tuple(sorted((i, (i + k) % 14))) for i in range(14) for k in (1, 2, 7)}
mesh = graphs.Graph.from_edges(n, sorted(edges | {(i, b) for i in range(14) for b in (14, 15)}))
perceptron = problems.Perceptron.from_data(X[:1437], y[:1437], n, test=test, hidden=(32,), l2=1e-4)
noises = {
    "no attack": None,
    "uniform, mean 1/2": attacks.UniformNoise(1.0),
    "normal, mean 0": attacks.GaussianNoise(3**-0.5),
}
pushed = pd.DataFrame(index=[name for name in gossip if name != "plain gossip"])
for noise, attack in noises.items():
    for name in pushed.index:
        solver = solvers.RobustGossip(gossip[name][0], f=2, attack=attack, step=0.3, batch_size=24)
        ran = solver.solve(perceptron, mesh, perceptron.start(0), tol=0, max_events=150, record_every=150)
        pushed.loc[name, noise] = ran.trace["accuracy"][-1]
pushed.round(3)

# %% [markdown]
# **Assertion.** Without attack and under noise of mean zero all rules survive. Under noise of mean 1/2
# clipping and Flag on differences end below 30 %, `BRIDGE` loses more than 5 points, and `NNA` less than 3.
# Predictions of softmax regression stay as they are when 1 is added to all weights.

# %%
assert np.all(pushed[["no attack", "normal, mean 0"]] > SURVIVES)
lost = pushed["no attack"] - pushed["uniform, mean 1/2"]
assert np.all(pushed.loc[["clipped", "Flag on differences"], "uniform, mean 1/2"] < 0.3)
assert lost["BRIDGE"] > 0.05
assert lost["NNA"] < 0.03
samples, weights = problems.add_intercept(test[0]), rng.normal(size=softmax.dim)
assert np.array_equal(softmax.predict(weights, samples), softmax.predict(weights + 1.0, samples))
