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
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/12_finance.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/12_finance.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** Four tasks from finance, each solved by a circuit and by the classical method,
# in the same table.
#
# **Running time:** about a minute on two cores.
#
# Articles on quantum computers in finance often name four tasks: the price of an option, a forecast
# of volatility, the choice of a portfolio, and a model that is trained for this choice. Each table
# here has the classical answer beside that of the circuit. The result in short: **none of the four
# needs a quantum computer today**. For the price of an option, the circuit does need fewer samples:
# a ten times smaller error takes ten times as many samples, and a hundred times as many with Monte
# Carlo. But a formula gives the same price at once. In the other three, the classical method is as
# good or better, and faster.
#
# The words *qubit*, *state*, *shots* and *QUBO* are in the [glossary](../docs/glossary.md).
#
# The price series come with the package arch: `pip install "qkeras-hybrid[finance]"`.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid[finance] @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

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
# A European call option pays $\max(S_T - K, 0)$ at maturity, where $S_T$ is the price of the asset
# and $K$ the strike. Black and Scholes assume that $S_T$ is log-normal. Three qubits have eight
# states, so we take eight prices. The circuit prepares a state whose squared amplitudes are their
# probabilities $p_j$. Then it rotates one more qubit by an angle that depends on the price. At the
# price with number $j$, this qubit is 1 with the probability $f_j$, the payoff divided by the
# largest payoff:
#
# $$A|0\rangle = \sum_j \sqrt{p_j}\,|j\rangle
# \left(\sqrt{1-f_j}\,|0\rangle + \sqrt{f_j}\,|1\rangle\right).$$
#
# The last qubit is 1 with the probability $a = \sum_j p_j f_j$. Multiplied by the largest payoff,
# it is the expected payoff. The only approximation is the grid of eight prices.

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
# With eight points, the price differs from that of Black and Scholes by 5 %. The circuit is not the
# reason. A finer and wider grid comes closer, and each further qubit halves the distance between
# its points.
#
# The probability $a$ could be estimated by many measurements. *Amplitude estimation* needs fewer.
# It repeats a part of the circuit, the **Grover iterate**. After $k$ iterates the last qubit is 1
# with the probability $\sin^2((2k+1)\theta)$, where $a = \sin^2\theta$. So a small difference in
# $\theta$ becomes a large difference in the probability. On a device with noise, the probability
# soon becomes one half, whatever $a$ is.

# %% alt="Eight prices, their probabilities and payoffs; and a wave in k that noise flattens."
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
# There are two methods. The *iterative* one chooses the next number of iterates from the results so
# far, until the interval is as narrow as you asked for. *Maximum likelihood* measures at 0, 1, 2,
# 4, 8, ... iterates and fits the sine. We compare both with Monte Carlo. A sample is one run of the
# circuit or of its inverse, or one draw of Monte Carlo.

# %% alt="Errors against samples. Monte Carlo falls as one over the root of N, the circuits faster."
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
# With both methods of amplitude estimation, the error does fall nearly as $1/N$. The column
# `covered` is the share of the 20 seeds in which the interval contains the true price. We asked for
# 95 %, and see 18 to 20 of 20. But consider:
#
# - The exact price on the grid is a sum of eight products, and Black and Scholes have a formula. To
#   load the distribution into the circuit, one has to compute all $2^n$ probabilities anyway.
# - The most exact row of the iterative method needs hundreds of iterates without a single error.
#   With the noise of the picture above, five are too many.
# - Monte Carlo draws ten million samples in a second on a laptop.
#
# ## Next week's volatility
#
# The task is to forecast the volatility of the S&P 500 over the next five days. At the end of a day
# the models know the variances of the last day, week and month, estimated from each day's range of
# prices, and the return of the day. HAR is a linear regression on these three variances, `log-HAR`
# is the same on their logarithms, and GARCH is the usual model of econometrics. All models are
# fitted to the past alone. `qlike` and `rmse` (in percentage points of yearly volatility) are
# errors, so lower is better. QLIKE is the usual loss for forecasts of variances. Here we run one
# seed and one split. The stored results in `benchmarks/finance` have three seeds and four splits.

# %% alt="The volatility of the S&P 500 over time, and QLIKE of seven models: Dense is lowest."
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
# Two things help: with logarithms of the variances, `log-HAR` is better than HAR, and with the
# return of the day, `linear` is better than `log-HAR`. So **least squares with five weights
# (`linear`) is better than the circuit with 41 weights**, and takes less than a thousandth of the
# time. A Dense network of the circuit's size is better, too. The circuit is better than GARCH and
# HAR, but so is every model with logarithms. The stored results have the same order with one
# exception: there the circuit is slightly better than log-HAR, which does not use the return.
#
# ## Which assets?
#
# The data are nine monthly series from 1999 to 2018: indices, factors, oil and bonds. `utility` is
# `mean - 2 * variance` of a year. Which four of them, with equal weights, have the largest utility
# on the first 60 % of the months? As a QUBO, the problem has a bit for each asset, and a penalty if
# the number of assets is not four. `gap` is how far the utility is below that of the best choice.
# It is negative for `best weights`, where the weights need not be equal.

# %%
monthly = finance.returns()
chosen = finance.portfolio_study(monthly, n_assets=4, risk_aversion=2.0)
chosen[["method", "assets", "utility", "gap", "later_utility", "seconds"]]

# %% alt="Mean return against volatility of all choices of four assets, before and afterwards."
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
# Every solver finds the best choice. Trying all 126 choices (`enumeration`) takes less time than
# annealing. In the months after, the utility of this choice is negative (`later_utility`). **The
# error is in the estimated means, not in the optimizer.** Equal weights of all nine assets, which
# need no estimate, do better.
#
# ## Trained for the choice
#
# If predicted returns only serve to choose assets, the squared error is not what matters. SPO+ is a
# loss that bounds the regret of the choice from above. The package also has the perturbed
# Fenchel-Young loss. `regret` is the missed return, divided by the return of the best choice. Only
# someone who knew the future would have a regret of 0. Three rows have no loss: `all assets` takes
# all with equal weights, `history` predicts the mean of the months before, and `ridge` is a ridge
# regression for each asset.

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
# The linear models seem to predict the next month. But three of the series, `brent`, `aaa` and
# `baa`, are averages over a month. If the price rises at the end of a month, the next average will
# be higher, and nobody can buy at the average price. So we leave these series out:

# %%
traded = ["sp500", "nasdaq", "market", "size", "value", "wti"]
without = finance.returns_data(monthly[traded])
finance.regret_study(without, n_assets=3, networks={})[["model", "regret", "mean", "volatility"]]

# %% [markdown]
# Now ridge regression is worse than equal weights of all assets. So its lead above came from the
# averaged series. And ninety months tell little, because the standard error of a yearly mean is
# about five percentage points. In the stored results with three seeds, the linear model has the
# smallest regret of the three networks with each loss, and the circuit the largest. For the
# circuit, the choice of the loss changes less than the choice of the seed.
#
# **To take away.** Before you use a device, put the classical answer into the same table: the sum
# over the grid, least squares on logarithms, the list of all choices, and equal weights.

# %% [markdown]
# ## What to try next
#
# - [Without the circuit](13_without_the_circuit.ipynb): a trained circuit becomes a known function.
# - [Finance](../docs/guides/finance.md): all options, studies and data.
# - [Train through decisions](../docs/guides/train-through-decisions.md): regret and its losses.
#
# ## Exercises
#
# **1.** Does the error of the grid price go to 0 with more qubits? Price the same call with 3 to 8.
#
# <details><summary>Answer</summary>
#
# ```python
# for n_qubits in (3, 4, 5, 6, 8):
#     finer = finance.LogNormal(
#         spot=2.0, volatility=0.4, rate=0.05, maturity=40 / 365, n_qubits=n_qubits
#     )
#     option = finance.EuropeanOption(finer, strike=1.896)
#     print(n_qubits, "qubits:", f"{option.grid_price / option.black_scholes - 1:+.2%}")
# ```
#
# No, from 6 qubits on it stays near $-2.3$ %. More qubits make the grid finer but not wider. It
# ends at three standard deviations, so the prices beyond are missing: `LogNormal(deviations=...)`
# sets where it ends.
#
# </details>
#
# **2.** The probability of the last qubit is $a = \sin^2\theta$. For which $k$ does it come closest
# to 1 for the first time, and does the circuit agree?
#
# <details><summary>Answer</summary>
#
# $(2k + 1)\theta$ has to be near $\pi / 2$.
#
# ```python
# k = round((np.pi / (2 * theta) - 1) / 2)
# print(f"k = {k}: formula {np.sin((2 * k + 1) * theta) ** 2:.4f}, circuit {exact[k]:.4f}")
# np.testing.assert_allclose(exact[k], np.sin((2 * k + 1) * theta) ** 2, atol=1e-6)
# ```
#
# </details>
