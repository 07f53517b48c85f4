"""Secrets: found in three places, written for one reader, and shown by nothing but `open`."""

import copy
import json
import logging
import os
import pickle
import pprint
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import structlog

from dualloop.brokers.secrets import (
    FILE,
    Exposed,
    Missing,
    Secret,
    SecretsError,
    Stored,
    credentials,
    store,
    stored,
)

CANARY = "c4n4ry-5ecret"
NAMES = ("api_key", "api_secret")
NOW_US = 1_795_000_000_000_000


def chain(error: BaseException | None) -> str:
    """Everything that a traceback or a curious logger could show of it, causes and contexts included."""
    told = ""
    if error is not None and error.__traceback__ is not None:
        error = error.with_traceback(error.__traceback__.tb_next)  # the first frame is the test's own
    while error is not None:
        told += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        told += f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    return told


@pytest.fixture(autouse=True)
def _no_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own keyring is none of a test's business."""
    keyring(tmp_path / "lib", monkeypatch, "raise ImportError")


def keyring(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A module of that name."""
    folder.mkdir(exist_ok=True)
    (folder / "keyring.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(__import__("sys").modules, "keyring", raising=False)


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# -- what is not shown ---------------------------------------------------------------------------


SHOWN: dict[str, Callable[[Secret], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda secret: f"{secret} {secret!r} {secret!s} {secret:>20}",
    "percent": lambda secret: "%s %r %a" % (secret, secret, secret),  # noqa: UP031
    "in a container": lambda secret: f"{[secret]} {({'token': secret},)} {Stored('AB1234', {'token': secret}, 1)}",
    "pprint": lambda secret: pprint.pformat({"token": secret}),
    "copy": lambda secret: f"{copy.copy(secret)!r} {copy.deepcopy([secret])!r}",
    "dir": lambda secret: [name for name in dir(secret) if CANARY in name],
    "an error with it": lambda secret: chain(ValueError(secret)),
    "json by default=str": lambda secret: json.dumps({"token": secret}, default=str),
    "msgspec by enc_hook=repr": lambda secret: msgspec.json.encode({"token": secret}, enc_hook=repr),
}
REFUSED: dict[str, Callable[[Secret], object]] = {
    **{f"pickle {n}": lambda secret, n=n: pickle.dumps(secret, n) for n in range(6)},  # type: ignore[misc]
    "pickle in a session": lambda secret: pickle.dumps(Stored("AB1234", {"token": secret}, 1)),
    "getstate": lambda secret: secret.__getstate__(),
    "json": json.dumps,
    "msgspec json": msgspec.json.encode,
    "msgspec pack": msgspec.msgpack.encode,
    "msgspec builtins": msgspec.to_builtins,
    "vars": vars,
    "iterating": iter,  # type: ignore[dict-item]
    "adding": lambda secret: "Bearer " + secret,  # type: ignore[operator]
    "joining": lambda secret: " ".join([secret]),  # type: ignore[list-item]
    "a number": int,  # type: ignore[dict-item]
    "a path": os.fspath,  # type: ignore[dict-item]
    "bytes": bytes,  # type: ignore[dict-item]
}


@pytest.mark.parametrize("way", SHOWN)
def test_no_way_of_showing_it_shows_it(way: str) -> None:
    assert CANARY not in str(SHOWN[way](Secret(CANARY)))


@pytest.mark.parametrize("way", REFUSED)
def test_what_would_have_to_hold_the_text_is_refused_without_it(way: str) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        REFUSED[way](Secret(CANARY))
    assert CANARY not in chain(caught.value)


def test_logging_does_not_show_it(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """By the library's logging and by structlog, with tracebacks and their locals."""
    secret = Secret(CANARY)
    caplog.set_level(logging.DEBUG)
    try:
        raise RuntimeError(secret, {"token": secret})
    except RuntimeError:
        logging.getLogger("x").exception("%s %r", secret, {"token": secret})
        lines = structlog.wrap_logger(
            structlog.PrintLogger(), [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        )
        screen = structlog.wrap_logger(structlog.PrintLogger(), [structlog.dev.ConsoleRenderer(colors=False)])
        for log in (lines, screen):
            log.error("trouble", token=secret, all=[secret], exc_info=True)
    out = capsys.readouterr()
    assert "***" in caplog.text
    assert "***" in out.out
    assert CANARY not in caplog.text + out.out + out.err


def test_it_opens_compares_and_counts_as_a_key() -> None:
    assert Secret(CANARY).open() == CANARY
    assert Secret(CANARY) == Secret(CANARY) != Secret("another")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1
    with pytest.raises(ValueError, match="empty"):
        Secret("")


# -- where credentials are found -----------------------------------------------------------------


def test_the_environment_comes_first_then_the_file_then_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "def get_password(service, name):\n    return {'dualloop kite.c': ' from ring\\n'}.get(service + ' ' + name)"
    keyring(tmp_path / "ring", monkeypatch, code)
    private(tmp_path / FILE, '[kite]\na = "not this"\nb = " from file "\n[angel]\nc = "another broker\'s"\n')
    environ = {"DUALLOOP_KITE_A": "from env\n", "DUALLOOP_KITE_B": "  ", "DUALLOOP_ANGEL_C": "another broker's"}
    found = credentials("kite", ("a", "b", "c"), environ, tmp_path)
    opened = {name: secret.open() for name, secret in found.items()}
    assert opened == {"a": "from env", "b": "from file", "c": "from ring"}


def test_neither_file_nor_keyring_is_touched_when_the_environment_has_it_all(tmp_path: Path) -> None:
    private(tmp_path / FILE, "no toml at all", mode=0o644)
    found = credentials("kite", ("api_key",), {"DUALLOOP_KITE_API_KEY": CANARY}, tmp_path)
    assert found == {"api_key": Secret(CANARY)}


def test_all_that_is_missing_is_named_at_once_with_each_way_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(Missing) as caught:
        credentials("angel", ("api_key", "mpin", "totp_secret"), Environ(DUALLOOP_ANGEL_API_KEY=CANARY), tmp_path)
    told = str(caught.value)
    for part in ("mpin, totp_secret", "DUALLOOP_ANGEL_MPIN, DUALLOOP_ANGEL_TOTP_SECRET", f"{tmp_path / FILE}", "0600"):
        assert part in told
    assert "[angel]" in told
    assert "keyring set dualloop angel.mpin" in told
    assert "API_KEY" not in told
    assert CANARY not in chain(caught.value)


class Environ(dict[str, str]):
    """The caller's own: its `repr` is none of ours."""

    def __repr__(self) -> str:
        return "Environ"


@pytest.mark.parametrize("code", ["raise ImportError", "def get_password(*asked):\n    raise OSError(asked)"])
def test_without_a_keyring_or_with_one_that_is_locked_the_other_ways_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    keyring(tmp_path / "ring", monkeypatch, code)
    with pytest.raises(Missing):
        credentials("kite", NAMES, {}, tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601, 0o666])
def test_a_file_that_others_can_reach_is_not_read(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / FILE, f'[kite]\napi_key = "{CANARY}"\napi_secret = "{CANARY}"\n', mode)
    with pytest.raises(Exposed, match="chmod 600") as caught:
        credentials("kite", NAMES, {}, tmp_path)
    assert CANARY not in chain(caught.value)
    with pytest.raises(Exposed):
        stored(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    path = private(tmp_path / FILE, f'[kite]\napi_key = "{CANARY}"\n')
    os.chown(path, 12345, -1)
    with pytest.raises(Exposed, match="not a file of this user"):
        credentials("kite", NAMES, {}, tmp_path)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / FILE)
    with pytest.raises(Exposed):
        credentials("kite", NAMES, {}, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f"[kite\napi_key = {CANARY}",
        f'api_key = "{CANARY}"\napi_key = "{CANARY}"',
        f"{CANARY}",
        f'kite = "{CANARY}"',
        f'[kite]\napi_key = ["{CANARY}"]',
        "[kite]\napi_key = 123456",
        f'[kite]\napi_key = """{CANARY}',
        f'[kite]\napi_key = "{CANARY}\x01"',
        f"[kite]\napi_key = {CANARY}\n".encode("utf-16").decode("latin-1"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_anything_of_it(tmp_path: Path, text: str) -> None:
    path = private(tmp_path / FILE, "")
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SecretsError) as caught:
        credentials("kite", NAMES, {}, tmp_path)
    error = caught.value
    assert str(path) in str(error)
    for each in ("c4n4ry", "5ecret", "123456"):
        assert each not in chain(error)


# -- a stored session ----------------------------------------------------------------------------


SESSION = Stored("AB1234", {"access": Secret(CANARY), "feed": Secret("f33d")}, NOW_US)


def test_a_session_comes_back_as_it_was_and_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "sessions" / "kite.json"
    before = os.umask(0)
    try:
        store(path, SESSION)
        store(path, SESSION._replace(user_id="CD5678"))
    finally:
        os.umask(before)
    assert stored(path) == SESSION._replace(user_id="CD5678")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["kite.json"], "no half of it is left beside it"


def test_writing_over_a_session_that_others_could_read_makes_it_private(tmp_path: Path) -> None:
    path = private(tmp_path / "kite.json", "{}", 0o644)
    store(path, SESSION)
    assert stored(path) == SESSION


def test_a_session_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kite.json"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="kite") as caught:
        store(path, SESSION)
    assert [each.name for each in tmp_path.iterdir() if each.name != "lib"] == ["kite.json"]
    assert CANARY not in chain(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"user_id":"AB1234"}',
        '{"user_id":"A","tokens":{"a":""},"made_us":1}',
        '{"user_id":"A","tokens":{"a":1},"made_us":1}',
    ],
)
def test_no_session_or_one_that_cannot_be_read_asks_for_a_new_login(tmp_path: Path, text: str) -> None:
    assert stored(tmp_path / "absent.json") is None
    assert stored(private(tmp_path / "kite.json", text)) is None


def test_a_session_shows_no_token() -> None:
    assert CANARY not in f"{SESSION} {SESSION!r} {pprint.pformat(SESSION)}"
    with pytest.raises(TypeError):
        msgspec.json.encode(SESSION)
    with pytest.raises(TypeError):
        json.dumps(SESSION)
