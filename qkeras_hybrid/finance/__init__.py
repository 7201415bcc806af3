"""Finance: option prices, volatility and portfolios, each beside the classical answer."""

from qkeras_hybrid.finance.amplitude import (
    AmplitudeEstimate,
    AmplitudeProblem,
    iterative,
    maximum_likelihood,
)
from qkeras_hybrid.finance.options import EuropeanOption, LogNormal, option_study
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
    "VolatilityData",
    "daily_variances",
    "index_prices",
    "iterative",
    "maximum_likelihood",
    "option_study",
    "qlike",
    "returns",
    "rmse",
    "volatility_data",
    "volatility_study",
    "walk_forward",
]
