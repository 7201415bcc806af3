# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Finance: options, volatility, portfolios
#
# Four tasks that articles name when they speak of quantum computers in finance. In each, the
# classical answer stands in the same table. To say it first: **in none of the four is a quantum
# computer needed today**. For the price of an option there is a real quadratic speed-up, of an
# estimate of a number that a closed form gives at once. In the other three the classical answer is
# as good or better, and quicker.
#
# The price series come with the package arch: `pip install "qkeras-hybrid[finance]"`. This
# notebook takes about a minute.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from qkeras_hybrid import finance, noise

pd.set_option("display.float_format", "{:.4f}".format)

# %% [markdown]
# ## The price of an option
#
# A European call pays $\max(S_T - K, 0)$ at maturity. Under Black and Scholes $S_T$ is log-normal.
# On three qubits that are eight prices. A circuit loads their probabilities $p_j$ as amplitudes,
# and turns one more qubit so that it is 1 with the probability $f_j$, the payoff over the largest
# payoff:
#
# $$A|0\rangle = \sum_j \sqrt{p_j}\,|j\rangle
# \left(\sqrt{1-f_j}\,|0\rangle + \sqrt{f_j}\,|1\rangle\right).$$
#
# The last qubit is 1 with the probability $a = \sum_j p_j f_j$: the expected payoff, but for a
# factor. Nothing is approximated here but the distribution by its grid.

# %%
prices = finance.LogNormal(spot=2.0, volatility=0.4, rate=0.05, maturity=40 / 365, n_qubits=3)
call = finance.EuropeanOption(prices, strike=1.896)
problem = call.problem()
print(f"expected payoff on the grid   {call.expected_payoff:.10f}")
print(f"from the circuit              {problem.probability() * call.payoff.max():.10f}")
print(f"price on the grid             {call.grid_price:.4f}")
print(f"price by Black and Scholes    {call.black_scholes:.4f}")
print(f"gates of the circuit          {sum(1 for _ in problem.preparation.all_operations())}")

# %% [markdown]
# Eight points miss the price of Black and Scholes by 5 %. That is no fault of the circuit: a finer
# and wider grid comes closer, and each further qubit halves the distance of its points.
#
# After $k$ **Grover iterates** the last qubit is 1 with the probability $\sin^2((2k+1)\theta)$,
# where $a = \sin^2\theta$. A small difference of $\theta$ becomes a large one of the probability.
# On a device with noise, it soon becomes one half, whatever $a$ is.

# %%
theta = np.arcsin(np.sqrt(problem.probability()))
powers = np.arange(11)
exact = [problem.probability(k) for k in powers]
rng = np.random.default_rng(0)
shots = 2000
some = powers[::2]
noisy = [problem.hits(k, shots, rng, noise=noise.depolarizing(0.002)) / shots for k in some]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
left.bar(prices.grid, prices.probabilities, width=0.12, color="tab:gray", label="probability")
left.plot(prices.grid, call.payoff, "o-", color="tab:blue", label="payoff")
left.axvline(call.strike, color="black", linestyle=":", linewidth=1)
left.set(xlabel="price at maturity", title="The grid")
left.legend(frameon=False)
smooth = np.linspace(0, 10, 400)
right.plot(smooth, np.sin((2 * smooth + 1) * theta) ** 2, color="tab:gray", linewidth=1)
right.plot(powers, exact, "o", color="tab:blue", label="the circuit")
right.plot(some, noisy, "s--", color="tab:red", label="0.2 % noise after each gate")
right.set(xlabel="Grover iterates k", ylabel="probability of 1", ylim=(-0.02, 1.35))
right.set(title="The last qubit")
right.legend(frameon=False, ncols=2, loc="upper center")
plt.show()

# %% [markdown]
# The *iterative* method chooses its iterates as it goes, until the interval is as narrow as was
# asked for. *Maximum likelihood* measures at 0, 1, 2, 4, 8, ... iterates and fits the sine. Each
# stands beside Monte Carlo with as many samples: as often as the circuit, or its inverse, ran.

# %%
table = finance.option_study(
    call,
    epsilons=[0.05, 0.02, 0.005, 0.002, 0.0005],
    largest_powers=[1, 3, 5, 7],
    seeds=range(20),
)
table["setting"] = table.groupby(["method", "seed"], dropna=False).cumcount()
table["squared"] = table.error**2
means = table.groupby(["method", "setting"])[["samples", "squared", "covered"]].mean()
means["error"] = means.pop("squared") ** 0.5

figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
for method, marker in (("Monte Carlo", "o"), ("maximum likelihood", "s"), ("iterative", "^")):
    part = means.loc[method].sort_values("samples")
    axis.plot(part.samples, part.error, marker, label=method)
n = np.array([600, 90_000])
axis.plot(n, 0.22 / np.sqrt(n), color="tab:gray", linewidth=1, label=r"$\propto 1/\sqrt{N}$")
axis.plot(n, 6.5 / n, color="tab:gray", linestyle=":", label=r"$\propto 1/N$")
axis.set(xscale="log", yscale="log", xlabel="samples N", ylabel="error of the price (RMS)")
axis.legend(frameon=False)
axis.grid(alpha=0.3)
plt.show()
means.loc[["iterative", "maximum likelihood"]]

# %% [markdown]
# The error does fall as $1/N$, and the intervals hold the true price as often as they say
# (`covered`, 95 % were asked for). What that is worth:
#
# - The exact price on the grid is a sum of eight products, and Black and Scholes have a formula. To
#   load the distribution, somebody has computed all $2^n$ probabilities already.
# - The most precise row of the iterative method takes hundreds of iterates in a row without an
#   error. With the noise in the picture above, five are too many.
# - Monte Carlo draws ten million samples in a second, on a laptop.
#
# ## Next week's volatility
#
# What is known at the end of a day are the variances of the last day, week and month, from the
# range of the S&P 500 on each day, and today's return. All models are fitted on the past alone.
# `qlike` and `rmse` (in points of yearly volatility) are errors: less is better. One seed and one
# split here; the stored rows of `benchmarks/finance` have three and four.

# %%
data = finance.volatility_data()
losses = finance.volatility_study(data, n_folds=1, seeds=[0], epochs=15)
losses = losses.set_index("model").sort_values("qlike")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
left.plot(data.dates, 100 * np.sqrt(252 * data.past[:, 2]), linewidth=0.8)
left.axvline(np.datetime64(losses.first_day.iloc[0]), color="black", linestyle=":")
left.set(ylabel="% a year", title="S&P 500, volatility of the last month", ylim=(0, None))
left.text(np.datetime64("2011-03-01"), 62, "from here on: test")
colours = ["tab:red" if name == "hybrid" else "tab:blue" for name in losses.index]
right.barh(losses.index, losses.qlike, color=colours)
right.invert_yaxis()
right.set(xlabel="QLIKE (less is better)", title="Forecasts of the next five days")
plt.show()
losses[["n_weights", "qlike", "rmse", "seconds"]]

# %% [markdown]
# Logarithms matter, and the return matters. Given both, **least squares with five weights
# (`linear`) are ahead of the circuit with 41**, in a thousandth of the time, and so is a Dense
# network of the circuit's size. The circuit is ahead of GARCH and of HAR without logarithms, as is
# everything else that sees logarithms. In the stored rows the order is the same, but for log-HAR,
# which the circuit beats narrowly there: log-HAR does not see the return.
#
# ## Which assets?
#
# Nine monthly series from 1999 to 2018: indices, factors, oil, bonds. Which four, with equal
# weights, have the most `mean - 2 * variance` on the first 60 % of the months? As a QUBO: a bit
# for each asset, and the number of assets as a penalty.

# %%
monthly = finance.returns()
chosen = finance.portfolio_study(monthly, n_assets=4, risk_aversion=2.0)
chosen[["method", "assets", "utility", "gap", "later_utility", "seconds"]]

# %%
first = round(0.6 * len(monthly))
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
weights = finance.choices(9, 4) / 4
for axis, part, title in (
    (axes[0], monthly.iloc[:first], "the months that the choice was made on"),
    (axes[1], monthly.iloc[first:], "the months after"),
):
    mean, covariance = 12 * part.mean().to_numpy(), 12 * part.cov().to_numpy()
    deviations = np.sqrt(np.einsum("ci,ij,cj->c", weights, covariance, weights))
    axis.plot(deviations, weights @ mean, ".", color="tab:gray", label="4 of 9, equal weights")
    axis.set(xlabel="volatility of a year", title=title)
    axis.grid(alpha=0.3)
for axis, columns in (
    (axes[0], ["volatility", "mean"]),
    (axes[1], ["later_volatility", "later_mean"]),
):
    for method, marker in (
        ("exact", "o"),
        ("best weights", "*"),
        ("all, equal weights", "s"),
    ):
        row = chosen[chosen.method == method].iloc[0]
        label = "best of them (every solver)" if method == "exact" else method
        axis.plot(*row[columns], marker, markersize=9, label=label)
axes[0].set(ylabel="mean return of a year")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# Every solver finds the best choice, and trying all 126 takes less time than any annealer. On the
# months after, the choice is worth little: **the error is in the means, not in the optimizer.**
# Equal weights of all nine, for which nothing was estimated, do better than all of them.
#
# ## Trained for the choice
#
# If returns are predicted only to choose by them, why train on the squared error? SPO+ and the
# perturbed Fenchel-Young loss train on what the choice costs. `regret` is the return that is
# missed, over that of the best choice; 0 would be foresight.

# %%
earned = finance.regret_study(
    n_assets=3,
    n_folds=1,
    seeds=[0],
    epochs=30,
    networks={"linear": finance.regret.linear_model, "hybrid": finance.regret.hybrid_model},
    losses=["mse", "spo_plus"],
)
earned.fillna("")[["model", "loss", "regret", "missed", "mean", "volatility"]]

# %% [markdown]
# The linear models seem to see the next month. But `brent`, `aaa` and `baa` are averages of a
# month: when the price rises at its end, the next average is known to be higher, at a price that
# nobody can buy at. Without them:

# %%
traded = ["sp500", "nasdaq", "market", "size", "value", "wti"]
without = finance.returns_data(monthly[traded])
finance.regret_study(without, n_assets=3, networks={})[["model", "regret", "mean", "volatility"]]

# %% [markdown]
# Ridge regression is behind equal weights of all: what it saw was the averages. Ninety months tell
# little besides, as the standard error of a yearly mean is about five points. In the stored rows,
# with three seeds, the linear model misses least with each loss, and the circuit most; the losses
# that know of the choice change less than the seeds do.
#
# **What to take home.** Put the classical answer into the same table before you ask a device: the
# sum over the grid, least squares on logarithms, the list of all choices, and equal weights.
