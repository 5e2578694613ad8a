# %% [markdown]
# # Ten minutes with gossamer
#
# $n$ nodes, each with its own data, minimise $f(x) = \frac1n \sum_i f_i(x)$ by talking to their neighbours
# in a graph. This page goes from data to a solved problem and through what one usually wants next: the
# trace, better gossip rates, mini-batches, saved runs, one's own objective, a replay. Each section ends
# with an assertion of what it showed. `pip install "gossamer[notebooks]"` installs all that is used.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gossamer import graphs, problems, solvers
from gossamer.kernels import events, random

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6b7280"
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

# %% [markdown]
# ## A network
#
# GÉANT connects the research networks of Europe. `graphs.topology_names()` lists the other networks by name;
# families such as `graphs.grid_2d(10, 10)` or `graphs.random_geometric(50)`, and
# `graphs.Graph.from_edges(n, edges)`, make graphs of the same type.

# %%
network = graphs.topology("topozoo/Geant2012")
graphs.draw(network, title=f"{network.n_nodes} nodes, {network.n_edges} links")
plt.show()

assert network.is_connected  # as every solver requires

# %% [markdown]
# ## A problem
#
# Logistic regression with labels $\pm1$; node $i$ holds $m_i$ samples $(a_j, y_j)$:
#
# $$ f_i(x) = \frac{1}{m_i} \sum_{j \in \text{node } i} \log\bigl(1 + e^{-y_j a_j^\top x}\bigr)
#    + \frac{\ell_2}{2} |x|^2 . $$
#
# The Dirichlet split gives the nodes unequal shares of the two classes.

# %%
X, y = problems.load("breast_cancer")
features = problems.add_intercept(problems.standardize(X))
problem = problems.LogisticRegression.from_data(
    features, y, n_nodes=network.n_nodes, l2=0.05, split="dirichlet", alpha=1.0, rng=0
)
by_node = np.split(problem.labels, problem.offsets[1:-1])
share = [(labels > 0).mean() for labels in by_node]
print(problem)
print(f"samples a node: {np.diff(problem.offsets).min()} to {np.diff(problem.offsets).max()}")
print(f"share of class +1 a node: {min(share):.2f} to {max(share):.2f}")
print(f"condition number L/mu: {problem.smoothness / problem.strong_convexity:.0f}")

assert max(share) - min(share) > 0.8

# %% [markdown]
# ## Solve
#
# Nodes take gradients and edges average at the times of independent Poisson clocks; nothing is synchronised.
# `tol` is relative, for the gradient and for the consensus; with `x_star` the trace has the distance to the
# solution as well. All hyper-parameters default to the theory's values.

# %%
x_star = problem.solution()  # by Newton's method on all the data, for comparison
result = solvers.DADAO().solve(problem, network, tol=1e-7, x_star=x_star, rng=0)
result

# %%
predicted = np.sign(features @ result.x)
accuracy = (predicted == np.where(y > 0, 1, -1)).mean()
disagreement = np.abs(result.X - result.x).max()
print(f"{100 * accuracy:.1f} % of the samples are on the right side")
print(f"largest difference between a node and the mean: {disagreement:.1e}")
print(f"largest difference between the mean and the solution: {np.abs(result.x - x_star).max():.1e}")

assert result.success
assert np.abs(result.X - x_star).max() < 1e-5
assert np.array_equal(predicted, np.sign(features @ x_star))

# %% [markdown]
# ## Look at the trace
#
# One row a record: simulated time (the unit is the mean gap between two gradients of a node), counts, exact
# bits on the wire in both directions, and metrics of the iterates.

# %%
result.trace.to_dataframe().tail(4)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4))
result.trace.plot(x="time", y="distance", ax=left, color=BLUE)
result.trace.plot(x="time", y="optimality", ax=right, color=BLUE, label=r"$\|\nabla f(\bar x)\|$")
right.semilogy(
    result.trace["time"][1:],  # all start equal
    result.trace["consensus"][1:],
    color=ORANGE,
    label=r"consensus distance $(\frac{1}{n} \sum_i \|x_i - \bar x\|^2)^{1/2}$",
)
right.set_ylabel("the run stops when both are small")
right.legend()
plt.show()

assert result.bits == result.n_communications * 2 * 64 * problem.dim  # d floats in each direction
assert np.all(np.diff(result.trace["time"]) > 0)

# %% [markdown]
# ## Better gossip rates
#
# How often should each edge communicate? DADAO needs $\chi_1 \chi_2 \le \frac12$, where $\chi_1$ is the
# inverse of the algebraic connectivity of the rates and $\chi_2$ half the largest effective resistance of
# an edge. The criterion `"communication"` finds the rates of smallest sum that satisfy it, with a
# certificate. Notebook 02 puts the theory to the test.

# %%
rates = graphs.gossip_rates(network, "communication")
rates

# %%
better = solvers.DADAO(rates=rates).solve(problem, network, tol=1e-7, x_star=x_star, rng=0)
measured = 1 - better.n_communications / result.n_communications
print(f"communications saved: {100 * rates.saved:.1f} % certified, {100 * measured:.1f} % measured")
print(f"gradients, optimal over uniform: {better.n_gradients / result.n_gradients:.3f}")
busiest = network.edges[rates.rates.argmax()]
print("busiest link:", " to ".join(network.labels[node] for node in busiest))

figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4), width_ratios=(1.25, 1))
graphs.draw(network, rates.rates, ax=left, label="communications per unit of time")
result.trace.plot("n_communications", "distance", ax=right, color=ORANGE, label="uniform rates")
better.trace.plot("n_communications", "distance", ax=right, color=BLUE, label="optimal rates")
right.ticklabel_format(axis="x", scilimits=(0, 0), useMathText=True)
right.legend()
plt.show()

assert better.success
assert rates.gap < 1e-6  # proven optimal
# one run each: counts are random, and the gradients differ a little
assert abs(measured - rates.saved) < 0.02

# %% [markdown]
# ## Mini-batches
#
# With `batch_size` a gradient costs a few samples. The iterates then hover around the solution at a
# distance set by the noise, and the average over time goes below it: `x_average`, from `average_from` on.
# Going on from `state` gives the average at several times.

# %%
stochastic = solvers.DADAO(rates=rates, batch_size=2, average_from=1000.0)
state = stochastic.init(problem, network, rng=0)
times, iterates, averages = [], [], []
for until in np.geomspace(1100, 20_000, 40):
    noisy = stochastic.solve(
        problem, network, tol=0, max_time=until, x_star=x_star, state=state, record_every=10**9
    )
    state = noisy.state
    times.append(noisy.time)
    iterates.append(noisy.trace["distance"][-1])
    averages.append(((noisy.x_average - x_star) ** 2).sum())

figure, axes = plt.subplots(figsize=(6, 3.6))
axes.loglog(times, iterates, color=ORANGE, label=r"iterates, $\frac{1}{n} \sum_i \|x_i - x^\star\|^2$")
axes.loglog(times, averages, color=BLUE, label="time average of the mean iterate")
axes.set(xlabel="simulated time", ylabel="squared distance to the solution")
axes.legend()
plt.show()

assert averages[-1] < 0.1 * np.median(iterates)

# %% [markdown]
# ## Save, and resume later
#
# A state is one `.npz` file without pickle. A resumed run has the bits of the uninterrupted one.

# %%
solver = solvers.DADAO(rates=rates)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "run.npz"
    solver.solve(problem, network, tol=0, max_events=50_000, rng=0).save(path)
    resumed = solver.solve(problem, network, tol=0, max_events=100_000, state=solvers.State.load(path))
uninterrupted = solver.solve(problem, network, tol=0, max_events=100_000, rng=0)

assert resumed.X.tobytes() == uninterrupted.X.tobytes()
assert resumed.n_gradients == uninterrupted.n_gradients

# %% [markdown]
# ## Your own objective
#
# `Custom` compiles a gradient in plain Python; state its smoothness and strong convexity. Here robust
# regression on data with outliers, against least squares:
#
# $$ f_i(x) = \frac{1}{m} \sum_j \Bigl( \sqrt{1 + (a_j^\top x - b_j)^2} - 1 \Bigr)
#    + \frac{\ell_2}{2} |x|^2 . $$

# %%
rng = np.random.default_rng(0)
n, m, d, l2 = 9, 30, 4, 0.02
planted = np.array([1.0, -2.0, 0.5, 3.0])
A = rng.normal(size=(n, m, d))
b = A @ planted + 0.1 * rng.normal(size=(n, m))
b[rng.random((n, m)) < 0.1] += 20.0  # one in ten is wrong, and by much


def gradient(node, x, out):
    residual = A[node] @ x - b[node]
    out[:] = A[node].T @ (residual / np.sqrt(1 + residual**2)) / m + l2 * x


def objective(node, x):
    residual = A[node] @ x - b[node]
    return np.mean(np.sqrt(1 + residual**2) - 1) + l2 / 2 * np.sum(x**2)


smoothness = max(np.linalg.eigvalsh(A_i.T @ A_i / m)[-1] for A_i in A) + l2
robust = problems.Custom(gradient, objective, n_nodes=n, dim=d, smoothness=smoothness, strong_convexity=l2)
squares = problems.LeastSquares(A.reshape(n * m, d), b.ravel(), np.arange(n + 1) * m, l2)
grid = graphs.grid_2d(3, 3)
errors = {}
for name, objectives in {"robust": robust, "least squares": squares}.items():
    fit = solvers.DADAO().solve(objectives, grid, tol=1e-8)
    assert fit.success
    assert np.allclose(fit.x, objectives.solution(), atol=1e-6)
    errors[name] = np.linalg.norm(fit.x - planted)
    print(f"{name}: distance to the planted coefficients {errors[name]:.3f}")

assert errors["robust"] < 0.5 * errors["least squares"]

# %% [markdown]
# ## Replay a run, and change it
#
# A run is a function of its events. They can be drawn beforehand, or come from the log of a real system:
# times, kinds (0 a gradient, 1 a communication), and the node or edge. Here the seed's own events give the
# same bits again; then one node, whose only link is down for a while, is cut off from the others.

# %%
horizon = 3000.0
edge_rates = solver.parameters(problem, network).rates
drawn = events.poisson_events(np.ones(network.n_nodes), edge_rates, horizon=horizon, key=random.make_key(0))
replayed = solvers.DADAO(rates=rates, events=drawn).solve(problem, network, tol=0, x_star=x_star)
direct = solver.solve(problem, network, tol=0, max_events=len(drawn.time), rng=0)
assert replayed.X.tobytes() == direct.X.tobytes()

leaf = int(np.flatnonzero(network.degrees == 1)[0])
link = int(np.flatnonzero((network.edges == leaf).any(axis=1))[0])
start, stop = 1000.0, 1500.0
lost = (drawn.kind == 1) & (drawn.index == link) & (drawn.time > start) & (drawn.time < stop)
edited = events.Events(*(part[~lost] for part in drawn))
outage = solvers.DADAO(rates=rates, events=edited).solve(problem, network, tol=0, x_star=x_star)
print(f"{network.labels[leaf]} cut off: {lost.sum()} of {(drawn.kind == 1).sum()} communications lost")

figure, axes = plt.subplots(figsize=(6, 3.6))
axes.axvspan(start, stop, color=GREY, alpha=0.2, linewidth=0, label="link down")
for run, color, label in (
    (replayed, BLUE, "as drawn"),
    (outage, ORANGE, f"{network.labels[leaf]} cut off for a while"),
):
    axes.semilogy(run.trace["time"][1:], run.trace["consensus"][1:], color=color, label=label)
axes.set(
    xlabel="simulated time", ylabel=r"consensus distance $(\frac{1}{n} \sum_i \|x_i - \bar x\|^2)^{1/2}$"
)
axes.legend()
plt.show()

uncut, peak = (np.interp(stop, run.trace["time"], run.trace["consensus"]) for run in (replayed, outage))
assert peak > 10 * uncut
assert outage.trace["consensus"][-1] < 0.01 * peak  # it recovers
assert outage.trace["distance"][-1] < 1e-10
