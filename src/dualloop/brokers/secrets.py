"""What must never be seen: credentials and tokens, which show themselves only where `open` is called.

They are taken from the environment, from a file that only its owner can read, or from the system's keyring, and no
error from here repeats any of what was read.
"""

import hmac
import os
import re
import resource
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

import msgspec

FILE = "secrets.toml"
_SERVICE = "dualloop"
"""What the keyring has our secrets under."""


class SecretsError(Exception):
    """Secrets cannot be used as they lie there: what is wrong, and what to do."""


class Missing(SecretsError):
    """Some are not given anywhere."""


class Exposed(SecretsError):
    """A file of secrets that others can read, or that is not ours."""


class Secret:
    """A text that is not shown: not by `repr`, `str` or a format, and never pickled. Raises `ValueError` when empty."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("an empty secret")
        self._text = text

    def open(self) -> str:
        """The text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


_SHORTEST_SECRET, _SHORTEST_PART = 4, 6
"""What is shorter is no secret, and hiding it would hide words; a part of a header's value may be one: `token`."""


def hide(text: str, shown: Iterable[str]) -> str:
    """A peer's words without any of the values that it was shown, nor a part of one."""
    values = list(shown)
    values += [part for value in values for part in re.split(r"[\s:;,]+", value) if len(part) >= _SHORTEST_PART]
    for secret in sorted({each for each in values if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


# -- credentials ---------------------------------------------------------------------------------


def credentials(broker: str, names: Sequence[str], environ: Mapping[str, str], folder: Path) -> dict[str, Secret]:
    """Each of the names from the first place that has it: the environment (`DUALLOOP_KITE_API_KEY`), `secrets.toml` in
    the folder (`[kite]`, `api_key = "..."`), the keyring (service `dualloop`, name `kite.api_key`).

    Raises `Missing` for those that are nowhere, all of them at once; `Exposed` for a file that others can read, and
    `SecretsError` for one that cannot be read. From then on this process leaves no core dump, which would have them.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    found = _secrets({name: environ.get(_variable(broker, name), "") for name in names})
    if len(found) < len(names):
        found = _written(folder / FILE, broker, names) | found
    if len(found) < len(names):
        found |= _kept(broker, [name for name in names if name not in found])
    missing = [name for name in names if name not in found]
    if missing:
        raise Missing(_how(broker, missing, folder / FILE))
    return found


def _secrets(texts: Mapping[str, str]) -> dict[str, Secret]:
    """Those that are not empty."""
    return {name: Secret(text.strip()) for name, text in texts.items() if text.strip()}


def _variable(broker: str, name: str) -> str:
    return f"DUALLOOP_{broker}_{name}".upper()


def _how(broker: str, missing: Sequence[str], path: Path) -> str:
    variables = ", ".join(_variable(broker, name) for name in missing)
    return (
        f"{broker} needs {', '.join(missing)}: set {variables} in the environment, or write them, each as "
        f'`{missing[0]} = "..."`, under [{broker}] in {path} (mode 0600), '
        f"or keep them in the keyring (`keyring set {_SERVICE} {broker}.{missing[0]}`)"
    )


def _written(path: Path, broker: str, names: Sequence[str]) -> dict[str, Secret]:
    """What the file has of them; nothing when there is no file. No text of it is in a frame that raises."""
    found = _section(read_private(path) or b"", broker, names)
    if found is None:
        raise SecretsError(f"{path} cannot be read: it is to be TOML with a section [{broker}]")
    bare = [name for name, secret in found.items() if secret is None]
    if bare:
        raise SecretsError(f"{path}: {', '.join(bare)} under [{broker}] must stand in quotes")
    return {name: secret for name, secret in found.items() if secret is not None}


def _section(content: bytes, broker: str, names: Sequence[str]) -> dict[str, Secret | None] | None:
    """None for what is not such a file, and for a value that is no text. The errors of decoding hold what they were
    reading, so none leaves this function."""
    try:
        section = tomllib.loads(content.decode()).get(broker, {})
    except ValueError:
        return None
    if not isinstance(section, dict):
        return None
    values = {name: section[name] for name in names if name in section}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    return {**dict.fromkeys(values.keys() - texts.keys()), **_secrets(texts)}


def _kept(broker: str, names: Iterable[str]) -> dict[str, Secret]:
    """What the keyring has of them; nothing where there is no keyring, or none that answers."""
    ring = _keyring()
    if ring is None:
        return {}
    found: dict[str, Secret] = {}
    for name in names:
        try:
            found |= _secrets({name: str(ring.get_password(_SERVICE, f"{broker}.{name}") or "")})
        except Exception:
            return found  # locked, or no service behind it: `Missing` tells the other ways
    return found


def _keyring() -> ModuleType | None:
    """An optional extra."""
    try:
        import keyring
    except ImportError:
        return None
    module: ModuleType = keyring
    return module


# -- a session -----------------------------------------------------------------------------------


class Stored(NamedTuple):
    """A session: whose, its tokens by name, and when it was made, microseconds."""

    user_id: str
    tokens: dict[str, Secret]
    made_us: int


class _File(msgspec.Struct):
    user_id: str
    tokens: dict[str, str]
    made_us: int


_FILE = msgspec.json.Decoder(_File)


def store(path: Path, session: Stored) -> None:
    """Write it for its owner alone, whole or not at all. Raises `OSError`."""
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from its first byte
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_content(session))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _content(session: Stored) -> bytes:
    tokens = {name: token.open() for name, token in session.tokens.items()}
    return msgspec.json.encode(_File(session.user_id, tokens, session.made_us))


def stored(path: Path) -> Stored | None:
    """The session there; None when there is none, or nothing that can be read: a new login writes it anew.

    Raises `SecretsError`.
    """
    content = read_private(path)
    if content is None:
        return None
    try:
        file = _FILE.decode(content)
        return Stored(file.user_id, {name: Secret(token) for name, token in file.tokens.items()}, file.made_us)
    except ValueError:
        return None


def read_private(path: Path) -> bytes | None:
    """What is in a file of secrets; None when there is none.

    Raises `Exposed` unless it is ours and ours alone, `SecretsError` when it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SecretsError(f"{path} cannot be opened ({error.strerror})") from None
    try:
        found = os.fstat(handle)  # of what was opened, which may no longer be what lies at the path
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise Exposed(f"{path} is not a file of this user; nothing in it is used")
        if found.st_mode & 0o077:
            raise Exposed(f"{path} can be read by others: `chmod 600 {path}`, and renew what is in it")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)
