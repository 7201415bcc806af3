"""Finance: option prices, volatility and portfolios, each beside the classical answer."""

from qkeras_hybrid.finance.amplitude import (
    AmplitudeEstimate,
    AmplitudeProblem,
    iterative,
    maximum_likelihood,
)
from qkeras_hybrid.finance.options import EuropeanOption, LogNormal, option_study

__all__ = [
    "AmplitudeEstimate",
    "AmplitudeProblem",
    "EuropeanOption",
    "LogNormal",
    "iterative",
    "maximum_likelihood",
    "option_study",
]
