# %% [markdown]
# # Gossip rates with certificates
#
# Edge $e = ij$ of a graph communicates at the times of a Poisson clock of rate $w_e$. With
# $\Lambda(w) = \sum_e w_e b_e b_e^\top$, $b_e = e_i - e_j$, effective resistances
# $R_e = b_e^\top \Lambda^+ b_e$ and $\lambda_2$ the smallest positive eigenvalue, DADAO needs
# $\max_e R_e \le \lambda_2$. So rates of any scale cost
#
# $$ \mathrm{cost}(w) = \sqrt{\frac{\max_e R_e}{\lambda_2}} \; \sum_e w_e $$
#
# communications a unit of time, and the least cost is a convex problem. Each section states a claim,
# measures it, and asserts it. The claims:
#
# 1. Between two clusters of $k$ nodes, uniform rates waste a part of the communications that tends to all
#    of them.
# 2. On a real network the saving is exact: a dual object proves it without the solver.
# 3. Any dual object gives a valid bound; the optimal one leaves no gap.
# 4. The fastest mixing rates are not the cheapest ones; the least largest resistance is $n - 1$ on every
#    graph.
# 5. Certified optimal rates are within reach for thousands of nodes.

# %%
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are small: more BLAS threads would only wait

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from gossamer import graphs
from gossamer.graphs import gossip_rates
from gossamer.graphs.rates import communication_cost, communication_lower_bound, verify_rates

plt.rcParams.update({"figure.dpi": 110, "figure.constrained_layout.use": True, "legend.frameon": False})

# %% [markdown]
# ## 1. A bridge deserves more than its share
#
# **Claim.** Two cliques of $k$ nodes joined by one edge: the ratio of the uniform cost to the least cost
# grows with $k$ without bound, at least linearly in this range.

# %%
sizes = [3, 4, 6, 8, 11, 14]
barbells = [gossip_rates(graphs.barbell(k)) for k in sizes]
ratio = np.array([r.cost_uniform / r.cost for r in barbells])

figure, panels = plt.subplots(1, 2, figsize=(9, 3.4))
graphs.draw(barbells[2].graph, barbells[2].rates, panels[0], title="barbell(6), optimal rates")
panels[1].plot(sizes, ratio, "o-")
panels[1].set(xlabel="nodes of a clique", ylabel="uniform cost / least cost", ylim=(0, None))
plt.show()

# %% [markdown]
# **Assertion.** All are certified to $10^{-6}$, the bridge has the largest rate, and the ratio rises by at
# least 0.3 with each node.

# %%
for r in barbells:
    k = r.graph.n_nodes // 2
    assert r.status == "certified"
    assert r.graph.edges[r.rates.argmax()].tolist() == [k - 1, k]
assert np.all(np.diff(ratio) / np.diff(sizes) > 0.3)

# %% [markdown]
# ## 2. A real network
#
# **Claim.** On the research network of Germany (50 nodes) equal rates waste communications, and the bounds
# that prove it follow from the rates and the dual object $(X, p, t)$ alone.

# %%
network = graphs.topology("sndlib/germany50")
best = gossip_rates(network)
equal = gossip_rates(network, "uniform")
figure, panels = plt.subplots(1, 2, figsize=(9, 4.6))
top = best.rates.max()
graphs.draw(network, np.full(network.n_edges, best.cost_uniform / network.n_edges), panels[0], vmax=top,
            title=f"equal rates, cost {best.cost_uniform:.1f}")  # fmt: skip
graphs.draw(network, best.rates, panels[1], vmax=top, title=f"optimal rates, cost {best.cost:.1f}")
plt.show()

# %% [markdown]
# **Assertion.** Verification finds the same bounds, and a changed rate shows as a gap.

# %%
bounds = verify_rates(network, best.rates, best.certificate)
assert bounds.gap < 1e-6
assert np.isclose(bounds.upper, communication_cost(network, best.rates), rtol=1e-9)
assert best.saved > 0.1
assert equal.lower_bound <= best.cost * (1 + 1e-9)
tampered = best.rates.copy()
tampered[tampered.argmax()] *= 0.8
assert verify_rates(network, tampered, best.certificate).gap > 1e-3

# %% [markdown]
# ## 3. Weak and strong duality
#
# **Claim.** For any $X \succeq 0$ of trace one, any probability $p$ over the edges and any rates $w_0$,
#
# $$ \mathrm{cost}(w) \ge \max_{t > 0} \Big( \max_a \tfrac12 (t x_a + y_a / t) \Big)^{-1}, \qquad
#    x_a = b_a^\top X b_a, \quad y_a = \sum_e p_e \frac{(b_a^\top \Lambda_0^+ b_e)^2}{R_e^2} , $$
#
# for all rates $w$, and the bound is attained. We move from the optimal dual object to a random one.

# %%
rng = np.random.default_rng(0)
graph = graphs.random_geometric(30, rng=1)
r = gossip_rates(graph)
Y, p = r.certificate.Y, r.certificate.p
Y = Y / np.linalg.norm(Y)
noise, weights = rng.standard_normal(Y.shape), rng.exponential(size=graph.n_edges)
noise /= np.linalg.norm(noise)
mixes = np.array([0.0, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0])
lower = np.array(
    [
        communication_lower_bound(
            graph, r.rates, (1 - m) * Y + m * noise, (1 - m) * p / p.sum() + m * weights / weights.sum()
        )
        for m in mixes
    ]
)
costs = [communication_cost(graph, rng.exponential(size=graph.n_edges) + 0.05) for _ in range(200)]
figure, axes = plt.subplots(figsize=(6, 3.2))
axes.semilogx(np.maximum(mixes, 1e-5), lower, "o-", label="lower bound")
axes.axhline(r.cost, color="grey", linestyle="--", label="least cost")
axes.set(xlabel="part of noise in the dual object", ylabel="communications")
axes.legend()
plt.show()

# %% [markdown]
# **Assertion.** No bound crosses any cost; the first is tight to $10^{-6}$.

# %%
assert lower.max() <= min([r.cost, *costs]) * (1 + 1e-9)
assert lower[0] >= r.cost * (1 - 2e-6)

# %% [markdown]
# ## 4. What other criteria cost
#
# **Claim.** Rates of the largest $\lambda_2$ can cost more than equal rates. Rates of the least largest
# resistance have $\max_e R_e = n - 1$ at sum one on every connected graph (Foster; Kiefer and Wolfowitz),
# and are cheap.

# %%
families = [
    graphs.path(12),
    graphs.grid_2d(5, 5),
    graphs.barbell(6),
    graphs.lollipop(6, 6),
    graphs.random_geometric(30),
    graphs.barabasi_albert(30, 2),
    graphs.random_regular(30, 3),
    graphs.binary_tree(4),
]
criteria = ["communication", "algebraic_connectivity", "max_resistance", "total_resistance"]
found = {g.name: {c: gossip_rates(g, c) for c in criteria} for g in families}
table = pd.DataFrame({name: {c: r.cost for c, r in row.items()} for name, row in found.items()}).T
table["uniform"] = [row["communication"].cost_uniform for row in found.values()]
table.div(table["communication"], axis=0).round(3)

# %% [markdown]
# **Assertion.** The certified cheapest rates are nowhere beaten; on the path the fastest mixing ones are
# worse than equal ones.

# %%
assert (table["communication"] <= table.min(axis=1) * (1 + 1e-6)).all()
assert table.loc["path(12)", "algebraic_connectivity"] > 1.3 * table.loc["path(12)", "uniform"]
for g in families:
    resistance = found[g.name]["max_resistance"]
    assert np.isclose(resistance.edge_resistances.max(), g.n_nodes - 1, rtol=1e-6)
    assert all(r.status == "certified" for r in found[g.name].values())

# %% [markdown]
# ## 5. Size
#
# **Claim.** Every criterion has a method whose work grows slowly enough for thousands of nodes, with a
# proof: the square grid of $k \times k$ nodes has $\lambda_2^\star = 6 / (k^2 (k^2 - 1))$ at sum one.

# %%
rows = []
for k in (8, 16, 32, 48):
    graph = graphs.grid_2d(k, k)
    for criterion, method, tol in (
        ("max_resistance", "multiplicative", 1e-6),
        ("algebraic_connectivity", "lowrank", 1e-5),
        ("communication", "lowrank", 5e-2),
    ):
        if criterion == "communication" and k > 32:
            continue
        begin = time.perf_counter()
        r = gossip_rates(graph, criterion, method=method, tol=tol)
        rows.append(
            (k * k, criterion, time.perf_counter() - begin, r.gap, r.status, r.lower_bound, r.upper_bound)
        )
growth = pd.DataFrame(rows, columns=["nodes", "criterion", "seconds", "gap", "status", "lower", "upper"])
figure, axes = plt.subplots(figsize=(6, 3.2))
for criterion, part in growth.groupby("criterion"):
    axes.loglog(part["nodes"], part["seconds"], "o-", label=criterion)
axes.set(xlabel="nodes", ylabel="seconds")
axes.legend()
plt.show()

# %% [markdown]
# **Assertion.** All are certified, and the bounds enclose the closed form.

# %%
assert (growth["status"] == "certified").all()
mixing = growth[growth["criterion"] == "algebraic_connectivity"]
exact = 6 / (mixing["nodes"] * (mixing["nodes"] - 1))
assert np.all(mixing["lower"] <= exact * (1 + 1e-9))
assert np.all(exact <= mixing["upper"] * (1 + 1e-9))
