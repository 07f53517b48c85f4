"""Kite's session: one login by hand each morning, kept in a file that every process of this account reads anew.

Nobody but a person can log in (A1). A dead session is therefore never renewed here: it is replaced by the one that a
person's fresh login has stored meanwhile. No text of an error has a key, a token or a user's name in it.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from ssl import SSLContext
from typing import TypeVar

from yarl import URL

from dualloop.brokers.budgets import Budget
from dualloop.brokers.http import Call, Http, posts, secure
from dualloop.brokers.kite_rules import LOGIN_PAGE, REST, SOCKET, rejects
from dualloop.brokers.secrets import Secret, SecretsError, Stored, store, stored
from dualloop.brokers.socket import Dial
from dualloop.ports import LoggedOut, Unreachable
from dualloop.wires import kite_wire
from dualloop.wires.told import User

_T = TypeVar("_T")

NAMES = ("api_key", "api_secret", "user_id")
"""What `credentials` is to find."""
_VERSION = {"X-Kite-Version": "3"}
_ACCESS = "access_token"
_SESSION = "/session/token"
_SHAPE = re.compile(r"[A-Za-z0-9_-]{4,64}")
_LOG_IN = "log in at Kite: dualloop login"


class KiteLogin:
    """The credentials of one account, and its session as the file has it. `at` is the wall clock, microseconds.

    `rest`, `page` and `socket` can be pointed at another server on loopback. Raises `ValueError` for other addresses
    without encryption.
    """

    def __init__(
        self,
        credentials: Mapping[str, Secret],
        path: Path,
        *,
        at: Callable[[], int],
        rest: str = REST,
        page: str = LOGIN_PAGE,
        socket: str = SOCKET,
        tls: SSLContext | None = None,
        ipv4: bool = True,
    ) -> None:
        self.rest = str(secure(rest, "https", "http"))
        self.tls, self.ipv4 = tls, ipv4
        self.sessions = 0
        """How many this process has had."""
        self._page = secure(page, "https", "http")
        self._socket = secure(socket, "wss", "ws")
        self._given = credentials
        self._path = path
        self._at = at
        self._now: Stored | None = None

    # -- logging in --------------------------------------------------------------------------

    def login_url(self) -> str:
        """Where a person logs in. It has the app's key in it, as Kite asks for: it is for that person only."""
        return str(self._page.with_query(v="3", api_key=self._given["api_key"].open()))

    async def exchange(self, request_token: str) -> User:
        """Make the session of a request token, or of the address that the browser was sent on to, and store it.

        Raises `ValueError` for a text that has no token, `LoggedOut` when it is dead or another user's, `BrokerError`.
        """
        token = request_token_of(request_token)
        key, secret = self._given["api_key"].open(), self._given["api_secret"].open()
        form = kite_wire.LoginForm(key, token, kite_wire.checksum(key, token, secret))
        call = Call("POST", _SESSION, "login", "login", form=kite_wire.login_form(form), deadline_s=15.0)
        async with self._http(lambda: _VERSION) as http:
            session = await http.write(call, kite_wire.read_session, rejects)
        self._check_user(session.user.user_id)
        found = Stored(session.user.user_id, {_ACCESS: Secret(session.access_token)}, self._at())
        store(self._path, found)
        self._take(found)
        return session.user

    async def check(self) -> User:
        """Ask who is logged in. Raises `LoggedOut` for a dead session or another user's, `BrokerError`."""
        call = Call("GET", "/user/profile", "login", "profile")
        async with self._http(self.headers) as http:
            user = await http.read(call, kite_wire.read_user)
        self._check_user(user.user_id)
        return user

    def _http(self, headers: Callable[[], Mapping[str, str]]) -> Http:
        budgets, may = {"login": Budget(now_us=self._at)}, posts(_SESSION)
        return Http(self.rest, budgets, headers, may=may, tls=self.tls, ipv4=self.ipv4)

    # -- the session -------------------------------------------------------------------------

    @property
    def made_us(self) -> int | None:
        """When the session was made; None: there is none. Raises `LoggedOut` for another user's."""
        self._look_once()
        return None if self._now is None else self._now.made_us

    def headers(self) -> dict[str, str]:
        """Of a request. Raises `LoggedOut` where there is no session."""
        return {**_VERSION, "Authorization": f"token {self._given['api_key'].open()}:{self._token()}"}

    def dial(self) -> Dial:
        """A connection to the ticker, by the newest session there is (E1). Raises `LoggedOut` where there is none."""
        self._look()
        query = {"api_key": self._given["api_key"].open(), "access_token": self._token()}
        return Dial(str(self._socket.with_query(query)), dict(_VERSION))

    async def renew(self) -> bool:
        """Whether somebody has logged in anew since: their session is taken over. Raises `LoggedOut` for another's."""
        return self._look()

    async def asked(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Ask, and where the session is dead look for a fresh one.

        If there is one, nothing was done and it may be asked again: `Unreachable`. Otherwise `LoggedOut`.
        """
        began = self.sessions
        try:
            return await ask()
        except LoggedOut:
            if self.sessions == began and not await self.renew():
                raise
            raise Unreachable("the session was renewed meanwhile") from None

    def _token(self) -> str:
        self._look_once()
        if self._now is None:
            raise LoggedOut(f"there is no session; {_LOG_IN}")
        return self._now.tokens[_ACCESS].open()

    def _look_once(self) -> None:
        if self._now is None:
            self._look()

    def _look(self) -> bool:
        """Take what is stored, if it is another session than ours. Raises `LoggedOut`."""
        try:
            found = stored(self._path)
        except (SecretsError, OSError) as error:
            raise LoggedOut(f"the stored session cannot be read ({error}); {_LOG_IN}") from None
        if found is None or _ACCESS not in found.tokens:
            return False
        if self._now is not None and found.tokens[_ACCESS].open() == self._now.tokens[_ACCESS].open():
            return False
        self._check_user(found.user_id)
        self._take(found)
        return True

    def _take(self, found: Stored) -> None:
        self._now = found
        self.sessions += 1

    def _check_user(self, user_id: str) -> None:
        if user_id != self._given["user_id"].open():
            raise LoggedOut(f"the session is of another user than the configured one; {_LOG_IN}")


def request_token_of(text: str) -> str:
    """The token, given as it is or within the address that the browser was sent on to. Raises `ValueError`.

    Its text is not repeated in the error.
    """
    found = text.strip()
    if "://" in found or "?" in found:
        query = URL(found).query
        if query.get("status", "success") != "success":
            raise ValueError("the login at Kite did not succeed: its page says so")
        found = query.get("request_token", "")
    if not _SHAPE.fullmatch(found):
        raise ValueError("this is no request token, and no address with one in it")
    return found
