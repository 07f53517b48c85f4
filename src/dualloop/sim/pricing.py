"""What an option is worth and how it is quoted: Black-76 with a smile, on a forward; a touch as wide as it is dear.

The shape was fitted to the recorded chain of 29 August 2025 (NIFTY weeklies, two sessions before expiry): z standard
deviations from the forward, implied volatility was 1.06, 1.32, 1.60 and 2.05 times that at the money at z = -0.9,
-2.3, -3.2 and -4.6, and 0.98, 1.04, 1.20, 1.43 and 1.83 times at 0.45, 1.35, 2.2, 3.1 and 4.4. The formula is within
10 % of these, and levels off beyond them so that no spread or butterfly is ever free. The touch was 0.05 to 0.10 rupees
wide on cheap options, 0.20 at the money, 2 at 500 rupees and 3.5 at 700. Calls and puts come from one forward and one
smile, so put-call parity holds.
"""

from math import erfc, exp, log, sqrt

_SKEW, _CURVE = -0.03, 0.055
_LEVEL_Z = 7.0
"""Standard deviations at which the smile has gone half the way to its highest."""
_HALF_ROOT = sqrt(0.5)
_LEAST_DEVIATION = 1e-6


def call_value(forward: float, strike: float, deviation: float) -> float:
    """Undiscounted call, rupees. `deviation`: at-the-money volatility times the root of the time that is left."""
    if deviation < _LEAST_DEVIATION:
        deviation = _LEAST_DEVIATION
    money = log(strike / forward)
    z = money / deviation
    flat = 1 + z * z / (_LEVEL_Z * _LEVEL_Z)
    spread = deviation * (1 + _SKEW * z / sqrt(flat) + _CURVE * z * z / flat)
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
