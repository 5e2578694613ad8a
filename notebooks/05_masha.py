# %% [markdown]
# # MASHA: variational inequalities with compressed communication
#
# $M$ workers seek $z^\star$ with $\langle F(z^\star), z - z^\star \rangle \ge 0$ for all $z$ in a set,
# $F = \frac1M \sum_m F_m$, where worker $m$ alone knows $F_m$. Saddle points $\min_x \max_y g$ are the case
# $F = (\nabla_x g, -\nabla_y g)$. MASHA1 keeps an anchor $w$ at which all know $F(w)$. A round is
#
# $$ \bar z = \tau z + (1-\tau) w, \qquad \hat z = \operatorname{P}(\bar z - \gamma F(w)), \qquad
#    u = \frac1M \sum_m Q_m\bigl(F_m(\hat z) - F_m(w)\bigr), \qquad
#    z^+ = \operatorname{P}\bigl(\bar z - \gamma (F(w) + u)\bigr), $$
#
# and with probability $1-\tau$, by a coin that all know, the anchor moves to $z$ and the $F_m(w)$ are sent
# whole. MASHA2 takes contractive compressors, such as Top-k, with error feedback.
#
# Each section states a claim, measures it, and asserts it. The claims:
#
# 1. One round lowers $\mathbb E V$, $V = |z - z^\star|^2 + |w - z^\star|^2$, by the theorem's factor or more.
# 2. With tuned steps MASHA1 with Perm-K needs at most half the uplink bits of extragradient.
# 3. Extragradient on compressed operators stalls, for a reason that has a number.
# 4. A regression on real data that an adversary disturbs: the saddle point has the least worst case.
# 5. A game whose payoffs the workers see only in part: the equilibrium, and descent ascent that misses it.

# %%
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small: more BLAS threads would only wait

import matplotlib.pyplot as plt
import numpy as np

from gossamer import graphs, problems, solvers
from gossamer.kernels import compression

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#6b7280"
plt.rcParams.update(
    {
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": "medium",
        "legend.frameon": False,
    }
)

M = 10
star = graphs.star(M)
problem = problems.BilinearSaddle.random(M, 50)
z_star, L, mu = problem.solution(), problem.lipschitz, problem.strong_convexity
print(f"{problem}: L = {L:.2f}, sqrt(mean L_m^2) = {problem.mean_square_lipschitz:.2f}, mu = {mu}")


def run(solver, max_rounds, rng=0, every=1, tol=0.0):
    """Result of a run on the bilinear problem, and |z - z*| / |z_0 - z*| at its records."""
    options = {"x_star": z_star, "record_every": every, "max_events": max_rounds, "rng": rng}
    result = solver.solve(problem, star, tol=tol, **options)
    squares = result.trace["distance"]
    return result, np.sqrt(squares / squares[0])


# %% [markdown]
# ## 1. The contraction against the theorem
#
# **Claim.** Let $\mathbb E |u|^2 \le C^2 |\hat z - w|^2$. If $\gamma\mu \le \tau$ and
# $\gamma\mu + \gamma^2 C^2 \le 1 - \tau$, then
#
# $$ \mathbb E V^+ \le \bigl(1 - \tfrac{\gamma\mu}{2}\bigr) V . $$
#
# For independent compressors of variance $\omega$, $C^2 = \frac{\omega}{M} \overline{L_m^2} + L^2$; for
# Perm-K, whose workers send disjoint coordinates, $C^2 = \overline{L_m^2}$, whatever $M$ and $d$.
#
# **Measurement.** Rounds of the compiled loop from random states at the theory's step, 300 draws of the
# messages each, the coin's part of the mean taken exactly. Then whole runs: the theorem's line lies above.


# %%
def one_round(solver, z, w, draws=300):
    """V+ / V and |u|^2 / (C^2 |zhat - w|^2), means over the draws of a round from (z, w)."""
    values = solver.parameters(problem, star)
    step, tau = values["step"], values["tau"]
    F = np.array([problem.operator(m, w) for m in range(M)])
    half = tau * z + (1 - tau) * w - step * F.mean(axis=0)
    state = solver.init(problem, star)
    after = np.empty((draws, z.size))
    for k in range(draws):
        state.arrays["shared"][:] = z, w, F.mean(axis=0)
        state.arrays["rows"][0] = F
        state.n_events = 1 + k
        solver.advance(state, problem, star)
        after[k] = state.arrays["shared"][0]
    to_z, to_w = np.sum((z - z_star) ** 2), np.sum((w - z_star) ** 2)
    V = to_z + to_w
    V_next = np.mean(np.sum((after - z_star) ** 2, axis=1)) + (1 - tau) * to_z + tau * to_w
    u = np.mean(np.sum((half - after) ** 2, axis=1)) / step**2
    return V_next / V, u / (solver.second_moment(problem) * np.sum((half - w) ** 2))


methods = {
    "Rand-10 %": (solvers.MASHA1(compression.RandK(0.1)), BLUE),
    "Perm-K": (solvers.MASHA1(compression.PermK(M)), ORANGE),
    "natural, both ways": (solvers.MASHA1(compression.Natural(), compression.Natural()), GREEN),
}
rng = np.random.default_rng(1)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
measured_rates, promised_rates = {}, {}
for name, (solver, color) in methods.items():
    step = solver.parameters(problem, star)["step"]
    promised = 1 - step * mu / 2
    states = z_star + rng.normal(size=(12, 2, z_star.size)) * np.geomspace(0.01, 10, 12)[:, None, None]
    factors, moments = np.transpose([one_round(solver, z, w) for z, w in states])
    left.scatter(1 - factors, moments, color=color, s=14, label=name)
    left.axvline(1 - promised, color=color, linestyle=":", linewidth=1)
    assert (factors <= promised).all()
    assert (moments <= 1).all()

    result, error = run(solver, 2500, every=10)
    rounds = result.trace["time"]
    right.semilogy(rounds, error, color=color, label=name)
    right.semilogy(rounds, 2**0.5 * promised ** (rounds / 2), color=color, linestyle=":")
    kept = error > 1e-11
    slope, start = np.polyfit(rounds[kept], np.log(error[kept]), 1)
    residual = np.log(error[kept]) - slope * rounds[kept] - start
    assert 1 - residual.var() / np.log(error[kept]).var() > 0.98  # a straight line
    measured_rates[name], promised_rates[name] = -2 * slope, step * mu / 2
left.set(
    xscale="log",
    xlabel=r"what a round removes, $1 - \mathbb{E} V^+ / V$ (dotted: the theorem)",
    ylabel=r"$\mathbb{E} |u|^2 \,/\, (C^2 |\hat z - w|^2)$",
    ylim=(0, 1.02),
)
right.set(xlabel="rounds (dotted: the theorem)", ylabel=r"$|z - z^\star| \,/\, |z^\star|$", ylim=(1e-16, 5))
right.legend(loc="lower left")
plt.show()

for name in methods:
    ratio = measured_rates[name] / promised_rates[name]
    print(f"{name}: rate {measured_rates[name]:.4f} a round, {ratio:.1f} times what the theorem promises")
    assert ratio >= 1

# %% [markdown]
# ## 2. Bits to accuracy
#
# **Claim.** Extragradient sends two whole vectors a round and worker. MASHA1 with Perm-K sends $d/M$
# coordinates, and the rest of its bits when the anchor moves: about twice $d/M$ coordinates a round in all.
# With the best step of a small grid for each, it reaches $10^{-6}$ with at most half the uplink bits.
#
# **Measurement.** Medians over eight seeds.


# %%
def uplink(solver, max_rounds, rng=0):
    """Uplink bits a worker by round, and the errors."""
    result, error = run(solver, max_rounds, rng, every=5, tol=1e-8)
    return (result.trace["bits"] - result.trace["bits_down"]) / (M - 1), error


def bits_to(goal, bits, error):
    reached = np.flatnonzero(error <= goal)
    return bits[reached[0]] if reached.size else np.inf


contenders = {
    "extragradient": (lambda s: solvers.Extragradient(step=s / L), (0.7, 0.8, 0.9), 1, GREY),
    "MASHA1, Rand-10 %": (
        lambda s: solvers.MASHA1(compression.RandK(0.1), step=s / L),
        (0.18, 0.22, 0.26),
        8,
        BLUE,
    ),
    "MASHA1, Perm-K": (
        lambda s: solvers.MASHA1(compression.PermK(M), step=s / L),
        (0.28, 0.316, 0.35),
        8,
        ORANGE,
    ),
    "MASHA2, Top-10 %": (
        lambda s: solvers.MASHA2(compression.TopK(0.1), step=s / L),
        (0.1, 0.14, 0.2),
        1,
        GREEN,
    ),
}
figure, axes = plt.subplots(figsize=(6, 3.6))
needed = {}
for name, (make, steps, seeds, color) in contenders.items():
    curves = {s: [uplink(make(s), 5000, seed) for seed in range(seeds)] for s in steps}
    medians = {s: np.median([bits_to(1e-6, *curve) for curve in found]) for s, found in curves.items()}
    best = min(medians, key=medians.get)
    needed[name] = medians[best]
    print(f"{name}: {medians[best] / 1e6:.2f} Mbit a worker, step {best:g} / L")
    for k, (bits, error) in enumerate(curves[best]):
        axes.semilogy(bits / 1e6, error, color=color, linewidth=1, label=name if k == 0 else None)
axes.axhline(1e-6, color=GREY, linewidth=0.8, linestyle=":")
axes.set(
    xlabel="uplink, Mbit a worker", ylabel=r"$|z - z^\star| \,/\, |z^\star|$", xlim=(0, 2.0), ylim=(1e-9, 2)
)
axes.legend(loc="upper right")
plt.show()

saved = needed["extragradient"] / needed["MASHA1, Perm-K"]
print(f"Perm-K: {saved:.2f} times fewer uplink bits than extragradient")
assert saved >= 2
assert needed["MASHA1, Rand-10 %"] < needed["extragradient"]

# %% [markdown]
# ## 3. Why compressed extragradient stalls
#
# **Claim.** At $z^\star$ the mean of the operators is zero, and the operators are not: an unbiased compressor
# leaves the noise
#
# $$ \mathbb E \Bigl| \frac1M \sum_m Q_m(F_m(z^\star)) \Bigr|^2 = \frac{\omega}{M} \cdot
#    \frac1M \sum_m |F_m(z^\star)|^2 \qquad \text{(independent Rand-k),} $$
#
# however small the steps before. MASHA compresses $F_m(\hat z) - F_m(w)$, which vanishes with the error.
#
# **Measurement.** The noise at $z^\star$; then 20,000 rounds of compressed extragradient, with and without
# error feedback.

# %%
F = np.array([problem.operator(m, z_star) for m in range(M)])
rand = compression.RandK(0.3)
draws = 4000
squares = np.empty(draws)
for k in range(draws):
    messages, _ = compression.compress_rows(rand, F, key=1, index=k * M)
    squares[k] = np.sum(messages.mean(axis=0) ** 2)
expected = rand.omega(problem.dim) / M * np.mean(np.sum(F**2, axis=1))
error = squares.std() / np.sqrt(draws)
print(f"|F(z*)| = {np.linalg.norm(problem.mean_operator(z_star)):.1e}")
print(f"mean square of the messages at z*: {squares.mean():.1f} +- {error:.1f}, formula {expected:.1f}")
assert abs(squares.mean() - expected) < 4 * error

naive = {
    "Rand-30 %": (solvers.CompressedExtragradient(rand, step=0.01 / L), BLUE, "-"),
    "Top-30 %": (solvers.CompressedExtragradient(compression.TopK(0.3), step=0.3 / L), GREEN, "-"),
    "Rand-30 % and error feedback": (
        solvers.CompressedExtragradient(
            compression.RandK(0.3, scaled=False), step=0.01 / L, error_feedback=True
        ),
        BLUE,
        "--",
    ),
    "Top-30 % and error feedback": (
        solvers.CompressedExtragradient(compression.TopK(0.3), step=0.05 / L, error_feedback=True),
        GREEN,
        "--",
    ),
}
figure, axes = plt.subplots(figsize=(6.4, 3.6))
for name, (solver, color, line) in naive.items():
    result, error = run(solver, 20_000, every=50)
    axes.loglog(
        result.trace["time"][1:], error[1:], color=color, linestyle=line, label=f"extragradient, {name}"
    )
    assert error.min() > 1e-2
for name, solver, color in (
    ("MASHA1, Rand-30 %", solvers.MASHA1(rand), ORANGE),
    ("MASHA2, Top-30 %", solvers.MASHA2(compression.TopK(0.3), step="auto"), PURPLE),
):
    result, error = run(solver, 3000, every=50)
    axes.loglog(result.trace["time"][1:], error[1:], color=color, label=name)
    assert error[-1] < 1e-9
axes.set(xlabel="rounds", ylabel=r"$|z - z^\star| \,/\, |z^\star|$", ylim=(1e-12, 100), xlim=(50, 20_000))
axes.legend(loc="lower left", fontsize="small")
plt.show()

# %% [markdown]
# ## 4. Robust least squares on real data
#
# Ten hospitals hold the breast-cancer data (30 features of 569 tumours, each scaled to at most 1; labels
# $\pm 1$), and an adversary shifts the features of all by the same $r$, at a cost:
#
# $$ \min_{|w| \le R} \max_{|r| \le D} \; \frac1M \sum_m \Bigl[ \frac{1}{n_m} \sum_j
#    \tfrac12 \bigl(w^\top (a_j + r) - b_j\bigr)^2 \Bigr] + \frac{\lambda}{2} |w|^2 - \frac{\beta}{2} |r|^2,
#    \qquad \beta > R^2 . $$
#
# **Claim.** For given $w$ the worst $r$ is a multiple of $w$: $\varphi(w) = \max_r f(w, r)$ is a maximum
# over one number. The $w$ of the saddle point has the least $\varphi$ of all, and loses little without a
# shift. MASHA1 finds it with fewer bits than extragradient.
#
# **Measurement.** Both methods with tuned steps; $\varphi$ of the saddle point, of the ridge regression in
# the same ball, and of other vectors nearby.

# %%
X, y = problems.load("breast_cancer")
X, y = X / X.max(axis=0), 2.0 * y - 1.0
R, D, beta, ridge = 1.5, 1.0, 2.4, 1e-3
sets = {"radius": R, "penalty": beta, "l2": ridge, "rng": 0}
robust = problems.RobustLeastSquares.from_data(X, y, M, perturbation=D, **sets)
plain = problems.RobustLeastSquares.from_data(X, y, M, perturbation=1e-9, **sets)  # hardly an adversary
saddle = robust.solution()
dim = X.shape[1]
weights = np.repeat(1 / (M * np.diff(robust.offsets)), np.diff(robust.offsets))


def shifted_loss(w, shift):
    """f(w, shift w / |w|) without the adversary's cost."""
    errors = robust.features @ w + np.multiply.outer(shift, np.ones(len(X))) * np.linalg.norm(w)
    return ((errors - robust.targets) ** 2 / 2) @ weights + ridge / 2 * (w @ w)


def worst(w):
    shifts = np.linspace(-D, D, 2001)
    return np.max(shifted_loss(w, shifts) - beta / 2 * shifts**2)


costs = {}
for name, solver in (
    ("extragradient", solvers.Extragradient(step="auto")),
    ("MASHA1, Perm-K", solvers.MASHA1(compression.PermK(M), step="auto")),
):
    fit = solver.solve(robust, star, tol=1e-6, x_star=saddle)
    assert fit.success
    assert np.allclose(fit.x, saddle, atol=1e-4)
    costs[name] = fit.bits - fit.state.bits_down
    print(f"{name}: {fit.time:.0f} rounds, {costs[name] / 1e6:.1f} Mbit up")
w_robust, w_plain = fit.x[:dim], plain.solution()[:dim]
print(f"worst case {worst(w_robust):.4f} (ridge {worst(w_plain):.4f}), ", end="")
print(f"without shift {shifted_loss(w_robust, 0.0):.4f} (ridge {shifted_loss(w_plain, 0.0):.4f})")

shifts = np.linspace(-0.5, 0.5, 101)
figure, axes = plt.subplots(figsize=(6, 3.4))
for w, color, label in ((w_plain, GREY, "ridge regression"), (w_robust, ORANGE, "saddle point")):
    axes.plot(shifts, shifted_loss(w, shifts) - beta / 2 * shifts**2, color=color, label=label)
    axes.plot(shifts, shifted_loss(w, shifts), color=color, linestyle=":")
axes.set(
    xlabel=r"length of the shift $r$ along $w$",
    ylabel="loss",
    title="solid: minus the adversary's cost; dotted: the loss itself",
)
axes.legend()
plt.show()

assert worst(w_robust) < 0.95 * worst(w_plain)
assert shifted_loss(w_robust, 0.0) < 1.02 * shifted_loss(w_plain, 0.0)
for _ in range(200):
    other = w_robust + 0.1 * rng.normal(size=dim) / dim**0.5
    other *= min(1.0, R / np.linalg.norm(other))
    assert worst(other) >= worst(w_robust) - 1e-6
assert costs["MASHA1, Perm-K"] < 0.5 * costs["extragradient"]

# %% [markdown]
# ## 5. A game
#
# **Claim.** Eight observers see rock, paper, scissors, in which rock beats scissors twice, each with errors
# three times the payoffs; only the mean of their matrices is the game. Extragradient and MASHA1 find its
# equilibrium, in Euclidean distance or in relative entropy; descent ascent circles.
#
# **Measurement.** The duality gap $\max_j (A^\top x)_j - \min_i (A y)_i$, zero at equilibria alone, and the
# equilibrium of a linear programme.

# %%
payoffs = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
observers, start = graphs.star(8), np.array([0.8, 0.1, 0.1, 0.1, 0.1, 0.8])
euclidean, entropic = (
    problems.MatrixGame.split(payoffs, 8, heterogeneity=3.0, entropic=e, rng=0) for e in (False, True)
)
equilibrium = euclidean.solution()
perm = compression.PermK(8)
players = {
    "descent ascent": (solvers.QSGDA(compression.Identity(), step=0.05), euclidean, GREY),
    "extragradient": (solvers.Extragradient(), euclidean, BLUE),
    "extragradient, entropic": (solvers.Extragradient(), entropic, GREEN),
    "MASHA1, Perm-K": (solvers.MASHA1(perm, step="auto"), euclidean, ORANGE),
    "MASHA1, Perm-K, entropic": (solvers.MASHA1(perm, step="auto"), entropic, PURPLE),
}
corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
left.plot(*corners[[0, 1, 2, 0]].T, color=GREY, linewidth=0.8)
places = {"rock": (-0.02, -0.03, "right"), "paper": (1.02, -0.03, "left"), "scissors": (0.56, 0.84, "left")}
for name, (across, up, side) in places.items():
    left.text(across, up, name, ha=side, color=GREY)
for name, (solver, game, color) in players.items():
    path = []

    def watch(state, record, path=path):
        path.append(state.arrays["shared"][0].copy())

    play = solver.solve(game, observers, x0=start, tol=1e-7, max_events=6000, record_every=4, callback=watch)
    path = np.array(path)
    assert path.min() >= 0
    assert np.allclose(path[:, :3].sum(axis=1), 1)
    gap = play.trace["objective"]
    right.loglog(play.trace["time"][1:], gap[1:], color=color, label=name)
    if "entropic" not in name:
        left.plot(*(path[:150, :3] @ corners).T, color=color, linewidth=1, alpha=0.9)
    if name == "descent ascent":
        assert gap.min() > 0.1
    else:
        assert play.success
        assert np.allclose(play.x, equilibrium, atol=1e-5)
        print(f"{name}: {play.time:.0f} rounds, {(play.bits - play.state.bits_down) / 1e3:.0f} kbit up")
left.scatter(*(equilibrium[:3] @ corners), color="black", zorder=3, s=18)
left.set(title="the first player's strategies", aspect="equal")
left.axis("off")
right.set(xlabel="rounds", ylabel="duality gap")
right.legend(fontsize="small", loc="lower left")
plt.show()
