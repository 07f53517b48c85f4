"""Who is logged in at the wires, and how often they may ask.

Tokens are of no seed: yesterday's open nothing today. They live in memory and are never told to a log: a login shows
itself without them.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from secrets import choice

from dualloop.market.units import SECOND_US

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_TOKEN_LENGTH = 32
Windows = Mapping[str, Sequence[tuple[int, int]]]
"""By bucket: how many calls in any stretch of so many microseconds."""
PER_SECOND, PER_MINUTE, PER_HOUR, PER_DAY = (SECOND_US * each for each in (1, 60, 3600, 86_400))


class Login:
    """One session of one user. `tokens` by what they are for."""

    __slots__ = ("alive", "api_key", "at_us", "tokens", "user_id")

    def __init__(self, user_id: str, api_key: str, tokens: dict[str, str], at_us: int) -> None:
        self.user_id, self.api_key, self.tokens, self.at_us = user_id, api_key, tokens, at_us
        self.alive = True

    def __repr__(self) -> str:
        return f"<login of {self.user_id}, {'alive' if self.alive else 'over'}>"


class Logins:
    """All sessions of the day."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._by_token: dict[tuple[str, str], Login] = {}

    def begin(self, user_id: str, api_key: str, names: Sequence[str] = ("access", "public")) -> Login:
        """A new session, with a token of each name. Whoever had one under this key is logged out by it."""
        for old in {id(login): login for login in self._by_token.values()}.values():
            if (old.user_id, old.api_key) == (user_id, api_key):
                self.end(old)
        tokens = {name: "".join(choice(_LETTERS) for _ in range(_TOKEN_LENGTH)) for name in names}
        login = Login(user_id, api_key, tokens, self._now_us())
        self._by_token.update({(name, token): login for name, token in tokens.items()})
        return login

    def find(self, name: str, token: str) -> Login | None:
        """Whose living token of that name it is."""
        login = self._by_token.get((name, token))
        return login if login is not None and login.alive else None

    def end(self, login: Login) -> None:
        """It is over. What is connected stays connected."""
        login.alive = False
        for name, token in login.tokens.items():
            self._by_token.pop((name, token), None)


class Limiter:
    """Counts calls in sliding windows of the simulated clock. A call that is refused counts for nothing."""

    def __init__(self, now_us: Callable[[], int], limits: Windows) -> None:
        self._now_us = now_us
        self._limits = limits
        self._calls: dict[tuple[str, str], deque[int]] = {}

    def take(self, bucket: str, who: str) -> bool:
        """Whether that call may be made now; an unknown bucket has no end."""
        windows = self._limits.get(bucket, ())
        if not windows:
            return True
        now_us, calls = self._now_us(), self._calls.setdefault((bucket, who), deque())
        longest_us = max(window_us for _, window_us in windows)
        while calls and calls[0] <= now_us - longest_us:
            calls.popleft()
        for most, window_us in windows:
            if len(calls) >= most and calls[-most] > now_us - window_us:
                return False
        calls.append(now_us)
        return True
