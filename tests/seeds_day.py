"""The seeds' worked day as a `DATA` folder: spot 21725, walls 21750 CE and 21700 PE, entry 150.00 at 09:30:12.

Candles: 21750 CE closes at 150.00 with VWAP 148.00 when the candle ends at 09:30, its OI falling
to 3.2 million. The prices after that are the seeds' own, at their own times.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

DAY = "2025-12-23"
EXPIRY = "2025-12-30"
OPTION_HEADER = "ts,expiry,strike,right,open,high,low,close,volume,oi"
SPOT_HEADER = "ts,open,high,low,close"
LTP_HEADER = "ts,expiry,strike,right,ltp,bid,ask"

STORY = (
    ("09:30:12", "150.00"),
    ("09:31:15", "152.00"),
    ("09:32:30", "158.00"),
    ("09:33:45", "163.00"),
    ("09:34:10", "165.00"),
    ("09:36:20", "170.00"),
    ("09:38:45", "175.00"),
    ("09:41:10", "178.00"),
    ("09:47:23", "159.50"),
)
"""The first story's prices of the 21750 CE."""

SECOND_STORY = (("09:30:12", "150.00"), ("09:31:00", "148.50"), ("09:32:15", "145.50"), ("09:34:00", "142.00"))
"""The second story: stop moved to 148.00 by hand, 145.50 leaves; the five-minute close is 142.00."""

_OI = {"09:15": 3_500_000, "09:20": 3_400_000, "09:25": 3_200_000}


def grid(first: str = "09:15", candles: int = 75) -> list[str]:
    """Starts of five-minute candles as HH:MM."""
    hour, minute = map(int, first.split(":"))
    begin = hour * 60 + minute
    return [f"{(begin + 5 * i) // 60:02d}:{(begin + 5 * i) % 60:02d}" for i in range(candles)]


def every_second(first: str, last: str, price: str) -> list[tuple[str, str]]:
    """The same price every second, both ends included."""

    def seconds(text: str) -> int:
        hour, minute, second = map(int, text.split(":"))
        return hour * 3600 + minute * 60 + second

    return [
        (f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}", price)
        for at in range(seconds(first), seconds(last) + 1)
    ]


def write(folder: Path, name: str, header: str, rows: Iterable[str]) -> None:
    """One CSV of a DATA folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def held_candle(at: str) -> tuple[str, int]:
    """The traded contract's `open,high,low,close` and OI of one candle."""
    if at == "09:15":
        return "147.00,148.00,146.00,147.00", _OI[at]
    if at == "09:20":
        return "147.00,148.00,146.00,147.00", _OI[at]
    if at == "09:25":
        return "149.00,151.00,149.00,150.00", _OI[at]
    if at == "09:30":
        return "150.00,165.00,142.00,142.00", 3_150_000
    return "160.00,178.00,155.00,160.00", 3_100_000


def write_seeds_day(folder: Path, prices: Sequence[tuple[str, str]] = STORY) -> Path:
    """Write the folder; `prices` are the LTP rows of the 21750 CE."""
    options, spot = [], []
    for at in grid():
        spot.append(f"{DAY} {at}:00,21725.00,21725.00,21725.00,21725.00")
        for strike in range(21450, 22001, 50):
            for right in ("CE", "PE"):
                oi, candle, volume = 1_000_050, "100.00,101.00,99.00,100.00", 750
                if (strike, right) == (21700, "PE"):
                    oi = 3_800_000
                if (strike, right) == (21750, "CE"):
                    candle, oi = held_candle(at)
                    volume = 1500
                options.append(f"{DAY} {at}:00,{EXPIRY},{strike},{right},{candle},{volume},{oi}")
    write(folder, "options", OPTION_HEADER, options)
    write(folder, "spot", SPOT_HEADER, spot)
    write(folder, "ltp", LTP_HEADER, (f"{DAY} {at},{EXPIRY},21750,CE,{ltp},," for at, ltp in prices))
    return folder
