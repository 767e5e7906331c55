"""This module holds the statistics of counts that the detectors share. It is pure."""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def surprise(observed: float, expected: float, dispersion: float = 1.0) -> float:
    """
    Return how surprising a count is, in standard deviations: the signed root of the Poisson deviance.

    `dispersion` is the variance of such counts over their mean, 1 for Poisson. Unlike a z of the normal
    distribution this stays honest where few events are expected.
    """
    mean = max(expected, 1e-9)
    deviance = 2.0 * (mean - observed)
    if observed > 0:
        deviance += 2.0 * observed * math.log(observed / mean)
    size = math.sqrt(max(deviance, 0.0) / dispersion)
    return size if observed >= mean else -size


def evidence(observed: float, expected: float, times: float, dispersion: float = 1.0) -> float:
    """Return the log likelihood ratio, in nats, that the mean is `times` what is expected."""
    return (observed * math.log(times) - expected * (times - 1.0)) / dispersion


def band(expected: float, dispersion: float, width: float = 3.0) -> tuple[float, float]:
    """Return the counts between which nearly all should lie."""
    reach = width * math.sqrt(dispersion * max(expected, 0.25))
    return max(0.0, expected - reach), expected + reach


def normal_quantile(probability: float) -> float:
    """Return the standard normal quantile of a probability strictly between 0 and 1."""
    return _NORMAL.inv_cdf(probability)


def upper_tail(z: float) -> float:
    """Return the probability of a standard normal above `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))
