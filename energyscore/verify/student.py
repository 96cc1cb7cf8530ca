"""Student's t for any degrees of freedom, by the continued fraction of the incomplete beta."""

import math

_STEPS, _TINY = 500, 1e-300


def t_quantile(probability: float, degrees: float) -> float:
    """The point below which so much of the distribution lies, above one half."""
    if math.isinf(degrees):
        degrees = 1e9
    low, high = 0.0, 1.0
    while _upper(high, degrees) > 1 - probability:
        low, high = high, 2 * high
        if high > 1e12:
            return math.inf
    for _ in range(200):
        middle = (low + high) / 2
        if _upper(middle, degrees) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_below(t: float, degrees: float) -> float:
    """How much of the distribution lies below t."""
    if math.isinf(degrees):
        degrees = 1e9
    above = _upper(abs(t), degrees)
    return 1 - above if t > 0 else above


def _upper(t: float, degrees: float) -> float:
    """The chance of a value above t, which is not negative."""
    return _beta(degrees / 2, 0.5, degrees / (degrees + t * t)) / 2


def _beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front += a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            fraction *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return math.exp(front) * fraction / a


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
