"""What an option is worth and how it is quoted: Black-76 with a smile, on a forward; a touch as wide as it is dear.

The shape was fitted to the recorded chain of 29 August 2025 (NIFTY weeklies, two sessions before expiry): at z
standard deviations from the forward, implied volatility was 1 - 0.03 z + 0.047 z^2 times that at the money to within
some 5 % from z = -4.6 to 4.4, and the touch 0.05 to 0.10 rupees wide on cheap options, 0.20 at the money, 2 at 500
rupees and 3.5 at 700. Calls and puts come from one forward and one smile, so put-call parity holds.
"""

from math import erfc, exp, log, sqrt

_SKEW, _CURVE = -0.03, 0.047
_FURTHEST = 5.0
"""Beyond this many standard deviations the smile is flat."""
_HALF_ROOT = sqrt(0.5)
_LEAST_DEVIATION = 1e-4


def call_value(forward: float, strike: float, deviation: float) -> float:
    """Undiscounted call, rupees. `deviation`: at-the-money volatility times the root of the time that is left."""
    if deviation < _LEAST_DEVIATION:
        deviation = _LEAST_DEVIATION
    money = log(strike / forward)
    z = money / deviation
    if not -_FURTHEST < z < _FURTHEST:
        z = _FURTHEST if z > 0 else -_FURTHEST
    spread = deviation * (1 + _SKEW * z + _CURVE * z * z)
    d1 = -money / spread + spread / 2
    return 0.5 * (forward * erfc(-d1 * _HALF_ROOT) - strike * erfc((spread - d1) * _HALF_ROOT))


def width(value: float) -> float:
    """The usual distance between bid and ask of an option of that value, before both move out to a tick, rupees."""
    wide = 0.0019 * value - 0.03
    if value > 330:
        wide += 0.006 * (value - 330)
    return wide if wide > 0 else 0.0


def depth_lots(out: float) -> float:
    """The usual lots at the best price. `out`: steps of a strike from the money, positive out of it."""
    return min(3000.0, max(1.0, 18 * exp(0.40 * out)))
