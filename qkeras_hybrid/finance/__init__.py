"""Finance: option prices, volatility and portfolios, each compared with classical methods."""

from qkeras_hybrid.finance.amplitude import (
    AmplitudeEstimate,
    AmplitudeProblem,
    iterative,
    maximum_likelihood,
)
from qkeras_hybrid.finance.options import EuropeanOption, LogNormal, option_study
from qkeras_hybrid.finance.portfolio import (
    choices,
    enumerate_portfolios,
    equal_weights_problem,
    markowitz,
    portfolio_study,
    utility,
)
from qkeras_hybrid.finance.regret import ReturnsData, regret_study, returns_data
from qkeras_hybrid.finance.series import index_prices, returns, walk_forward
from qkeras_hybrid.finance.volatility import (
    VolatilityData,
    daily_variances,
    qlike,
    rmse,
    volatility_data,
    volatility_study,
)

__all__ = [
    "AmplitudeEstimate",
    "AmplitudeProblem",
    "EuropeanOption",
    "LogNormal",
    "ReturnsData",
    "VolatilityData",
    "choices",
    "daily_variances",
    "enumerate_portfolios",
    "equal_weights_problem",
    "index_prices",
    "iterative",
    "markowitz",
    "maximum_likelihood",
    "option_study",
    "portfolio_study",
    "qlike",
    "regret_study",
    "returns",
    "returns_data",
    "rmse",
    "utility",
    "volatility_data",
    "volatility_study",
    "walk_forward",
]
