"""A session at Angel One: client code, MPIN and a time-based password, at most two tries, and never two at once.

Whose session it is, is asked before it is used: another user's is refused. A login that was refused for anything but
its one-time password is not tried again by itself, for the account would be blocked.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import NamedTuple

import pyotp

from dualloop.brokers import angel_rest as rest
from dualloop.brokers.http import Call, Http, posts
from dualloop.brokers.secrets import Secret, SecretsError, Stored, store, stored
from dualloop.market.reasons import Reject
from dualloop.market.units import SECOND_US, day_of
from dualloop.ports import BrokerError, LoggedOut, LoginUnknown, Refused, Unknown, Unreachable
from dualloop.wires import angel_wire as wire

NAMES = ("api_key", "client_code", "mpin", "totp_secret")
"""The credentials, as `secrets.credentials` is asked for them."""
_WINDOW_S = 30
"""How long a one-time password holds; the same one is not taken twice."""
_UNSENT_S = 2.0
"""Until a login that never left is tried again; that is no login in vain."""
_AGAIN_S, _LONGEST_S = 30.0, 300.0
"""From one renewal to the next that begins by itself, doubled by each that was in vain or soon was: two programs that
log each other out must not race, and what is asked for ever may block the account."""
_LOOK_AGAIN_S = 5.0
"""Until a login that never left is tried again by another renewal, and until a stored session that nobody could be
asked about is looked at again."""
_LIVED_S = 600.0
"""What has lived for so long was no login in vain."""
_LOGIN_S = 15.0
_PROFILE_S = 5.0
_NODES_S = 1.0
"""Until a session that was just made, and is answered as dead, is asked about again."""


class _AnotherUser(LoggedOut):
    """It is not the account that was meant."""


class Machine(NamedTuple):
    """What each request must say of where it comes from; `public_ip` is the address registered at the broker."""

    local_ip: str
    public_ip: str
    mac: str


class AngelLogin:
    """The session of one account, while it is entered. `credentials` has `NAMES`, `now` is the time, microseconds.

    `keep`: a file in which the session is kept, so that another process of the same day takes it over.
    """

    def __init__(
        self,
        credentials: Mapping[str, Secret],
        roots: rest.Roots,
        machine: Machine,
        now: Callable[[], int],
        *,
        keep: Path | None = None,
        tls: SSLContext | None = None,
        ipv4: bool = True,
    ) -> None:
        self.number = 0
        """Of sessions so far; 0: there is none."""
        self.made_us = 0
        """When the present session began."""
        self.who = ""
        """The name of the user, as the broker gives it."""
        self.given_up = ""
        """Why logging in is not tried any more by itself."""
        self.renewed: list[Callable[[], None]] = []
        """Called when there is a new session: sockets that were refused may be dialled again."""
        self._secrets = credentials
        self._machine = machine
        self._now = now
        self._keep = keep
        self._tokens: wire.Tokens | None = None
        self._candidate: wire.Tokens | None = None
        """A session that nobody has vouched for yet."""
        self._renewing: asyncio.Task[None] | None = None
        self._not_before_s = 0.0
        self._in_vain = 0
        """Renewals since the last session that lived."""
        self._looked_at = 0
        """`_kept_at` of what was looked at last, and when the next look is due where one could not be made."""
        self._look_again_s = 0.0
        self._used_s: float | None = None
        """`loop.time()` at which the present session began; None once its renewal has."""
        self.roots = roots
        may = posts(rest.LOGIN)
        self._http = Http(roots.rest, rest.login_budgets(), self._own_headers, may=may, tls=tls, ipv4=ipv4)

    async def __aenter__(self) -> "AngelLogin":
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        await self._http.__aexit__(kind, error, trace)

    @property
    def client_code(self) -> str:
        return self._secrets["client_code"].open()

    @property
    def counts(self) -> Mapping[str, int]:
        """Requests sent, by kind."""
        return self._http.counts

    # -- what others need of it --------------------------------------------------------------

    def headers(self) -> dict[str, str]:
        """Of every request. Raises `LoggedOut` while there is no session."""
        return self._headers(self._session())

    def stream_headers(self) -> dict[str, str]:
        """Of the socket of prices (broker facts C9). Raises `LoggedOut` while there is no session."""
        tokens = self._session()
        return {
            "Authorization": f"Bearer {tokens.jwt}",
            "x-api-key": self._secrets["api_key"].open(),
            "x-client-code": self.client_code,
            "x-feed-token": tokens.feed,
        }

    def updates_headers(self) -> dict[str, str]:
        """Of the socket of order updates (C10). Raises `LoggedOut` while there is no session."""
        return {"Authorization": f"Bearer {self._session().jwt}"}

    def _session(self) -> wire.Tokens:
        if self._tokens is None:
            raise LoggedOut(self.given_up or "nobody is logged in at Angel One")
        return self._tokens

    def died(self, number: int) -> None:
        """That session was answered as dead: a renewal begins, unless it is known already, or one began a moment ago
        and nobody has stored a session since. Once it is given up, only a login by hand is looked for.
        """
        begun = self._renewing is not None and not self._renewing.done()
        not_before_s = self._not_before_s if self._kept_at() == self._looked_at else self._look_again_s
        early = asyncio.get_running_loop().time() < not_before_s
        if number == self.number and not (begun or early):
            self._start()

    # -- logging in --------------------------------------------------------------------------

    async def begin(self) -> None:
        """Take over today's session where one is kept and lives, else log in.

        Raises `BrokerError`; `secrets.Exposed` or `OSError` for a kept session that must not be used.
        """
        if not await self.taken_over():
            await self.renew()

    async def renew(self) -> None:
        """A new session. Whoever asks while one is being made waits for that. Raises `BrokerError`."""
        if self._renewing is None or self._renewing.done():
            self.given_up = ""
            self._start()
        assert self._renewing is not None, "it has begun"
        await asyncio.shield(self._renewing)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._used_s is not None and loop.time() - self._used_s >= _LIVED_S:
            self._in_vain = 0
        self._used_s = None
        self._not_before_s = loop.time() + min(_AGAIN_S * 2**self._in_vain, _LONGEST_S)
        self._in_vain = min(self._in_vain + 1, 8)
        self._renewing = loop.create_task(self._renew())
        self._renewing.add_done_callback(_seen)

    async def _renew(self) -> None:
        perhaps_made = False
        try:
            if await self._found():
                return
            if self.given_up:
                raise LoggedOut(self.given_up)
            pause_s = await self._tried(last=False)
            if pause_s is None:
                return
            perhaps_made = pause_s != _UNSENT_S
            await asyncio.sleep(pause_s)
            if not await self._found():
                await self._tried(last=True)
        except Unreachable:
            if not perhaps_made:
                self._in_vain = max(self._in_vain - 1, 0)
                self._not_before_s = self._look_again_s = asyncio.get_running_loop().time() + _LOOK_AGAIN_S
            raise
        except Refused as error:
            self.given_up = str(error)
            raise error if isinstance(error, LoggedOut) else LoggedOut(self.given_up) from None
        except Unknown as error:
            raise LoginUnknown(str(error)) from None

    async def _found(self) -> bool:
        """Whether somebody has stored a session meanwhile that is good. Raises `Unreachable` when nobody can tell."""
        kept_at = self._kept_at()
        try:
            found = await self.taken_over()
        except (OSError, SecretsError):
            found = False  # what cannot be read is not taken over
        self._looked_at = kept_at
        return found

    async def _tried(self, *, last: bool) -> float | None:
        """One try: None when it went well, else how long to wait for another. Raises `BrokerError` if there is none."""
        try:
            tokens = await self._logged_in()
            await self._vouched_in_time(tokens)
        except _AnotherUser:
            raise
        except Refused as error:
            if last or error.reject is not Reject.LOGIN:
                raise
        except Unreachable:
            if last:
                raise
            return _UNSENT_S
        except BrokerError:
            if last:
                raise
        else:
            self._use(tokens, self._now())
            self._store(tokens)
            return None
        return _WINDOW_S - self._now() / SECOND_US % _WINDOW_S + 1

    async def _logged_in(self) -> wire.Tokens:
        try:
            code = pyotp.TOTP(self._secrets["totp_secret"].open()).at(self._now() // SECOND_US)
        except ValueError:
            raise Refused(
                "the TOTP secret is none (base32, 112 bits or more): copy the one that Angel One showed"
            ) from None
        body = wire.LoginBody(self.client_code, self._secrets["mpin"].open(), code)
        call = Call("POST", rest.LOGIN, "login", "login", json=body.to_json(), deadline_s=_LOGIN_S)
        try:
            return await self._http.write(call, wire.read_tokens, _one_time)
        except LoggedOut as error:  # there is no session in a login that could be dead
            raise Unknown(str(error)) from None

    async def _vouched_in_time(self, tokens: wire.Tokens) -> None:
        """A session just made, by our own client code, is used all the same when nobody vouches for it: another login
        would end it and take an exit's time. Raises `Refused` when it is another user's, or may not be used from here.
        """
        with suppress(TimeoutError, Unknown, Unreachable):
            async with asyncio.timeout(_PROFILE_S):
                while True:
                    try:
                        return await self._vouched(tokens)
                    except _AnotherUser:
                        raise
                    except LoggedOut:  # perhaps not every machine of theirs knows it yet
                        await asyncio.sleep(_NODES_S)

    async def _vouched(self, tokens: wire.Tokens) -> None:
        """Raises `LoggedOut` when the session is another user's."""
        self._candidate = tokens
        try:
            call = Call("GET", rest.PROFILE, "profile", "profile", deadline_s=_PROFILE_S)
            user = await self._http.read(call, wire.read_profile)
        finally:
            self._candidate = None
        if user.user_id.strip().upper() != self.client_code.strip().upper():
            raise _AnotherUser("the session belongs to another user than the client code says")
        self.who = user.name

    def _use(self, tokens: wire.Tokens, made_us: int) -> None:
        self._tokens, self.made_us, self.given_up = tokens, made_us, ""
        self._used_s = asyncio.get_running_loop().time()
        self.number += 1
        for tell in self.renewed:
            tell()

    # -- keeping it --------------------------------------------------------------------------

    @property
    def kept_us(self) -> int | None:
        """When the session that is kept was made; None: none of this account is. Raises `LoggedOut`, `OSError`."""
        try:
            kept = None if self._keep is None else stored(self._keep)
        except SecretsError as error:
            raise LoggedOut(f"the kept session must not be used ({error})") from None
        return None if kept is None or kept.user_id != self.client_code else kept.made_us

    async def taken_over(self) -> bool:
        """Whether another process has logged in today and its session lives: a second login would end that one.

        A newer one is taken for alive when the broker answers, but not this question: the next one will tell. Raises
        `SecretsError` or `OSError` for a kept session that must not be used, and `Unreachable` when nobody knows.
        """
        kept = None if self._keep is None else stored(self._keep)
        if kept is None or kept.user_id != self.client_code or day_of(kept.made_us) != day_of(self._now()):
            return False
        try:
            tokens = wire.Tokens(*(kept.tokens[name].open() for name in ("jwt", "refresh", "feed")))
        except KeyError:
            return False
        if tokens == self._tokens:
            return False
        try:
            await self._vouched(tokens)
        except Refused:
            return False
        except Unknown:
            if kept.made_us < self.made_us:
                return False
        self._use(tokens, kept.made_us)
        return True

    def _store(self, tokens: wire.Tokens) -> None:
        if self._keep is None:
            return
        kept = {"jwt": Secret(tokens.jwt), "refresh": Secret(tokens.refresh), "feed": Secret(tokens.feed)}
        with suppress(OSError):  # a session that cannot be kept is good all the same
            store(self._keep, Stored(self.client_code, kept, self.made_us))
        self._looked_at = self._kept_at()

    def _kept_at(self) -> int:
        """When a session was kept last, by whomever; 0: never, or nobody knows."""
        try:
            return 0 if self._keep is None else self._keep.stat().st_mtime_ns
        except OSError:
            return 0

    # -- headers -----------------------------------------------------------------------------

    def _own_headers(self) -> dict[str, str]:
        return self._headers(self._candidate)

    def _headers(self, tokens: wire.Tokens | None) -> dict[str, str]:
        """Broker facts C1."""
        found = {
            "Accept": "application/json",
            "X-UserType": "USER",
            "X-SourceID": "WEB",
            "X-ClientLocalIP": self._machine.local_ip,
            "X-ClientPublicIP": self._machine.public_ip,
            "X-MACAddress": self._machine.mac,
            "X-PrivateKey": self._secrets["api_key"].open(),
        }
        return found if tokens is None else found | {"Authorization": f"Bearer {tokens.jwt}"}


def _one_time(text: str) -> Reject:
    """A wrong one-time password (AB1050) may be right in the next window; nothing else heals by itself."""
    return Reject.LOGIN if "totp" in text.lower() else Reject.OTHER


def _seen(task: "asyncio.Task[None]") -> None:
    """Perhaps nobody waits for it: whoever asks next hears what is the matter."""
    if not task.cancelled():
        task.exception()
