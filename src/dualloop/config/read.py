"""File, environment and `--set` -> one `Config`: what is not known exactly is refused by name.

A value is checked where it is said, also one that is overridden later. A secret is refused from
every source, so a `Config` holds none but the Apprise URLs, which no message shows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from msgspec.structs import fields

from dualloop.config.kinds import TABLE, ConfigError, Kind, Section, check, kinds_of
from dualloop.config.sections import Config, own_tables

_PREFIX = "DUALLOOP_"
_SECRET = re.compile(r"secret|passw|pwd|totp|token|credential|(api|private)_?key|(^|_)m?pin(_|$)", re.IGNORECASE)

_SECTIONS: dict[str, type[Section]] = {field.name: field.type for field in fields(Config)}
_KINDS: dict[tuple[str, ...], Kind] = {
    (name, key): kind for name, section in _SECTIONS.items() for key, kind in kinds_of(section).items()
}


class Said(NamedTuple):
    """One value, its key as (section, key) or a broker's (section, key, own key), and who said it."""

    source: Literal["file", "env", "set"]
    path: tuple[str, ...]
    value: Any
    where: str

    def spelled(self, path: Sequence[str]) -> str:
        """Another key, written the way this one was."""
        return _PREFIX + "__".join(path).upper() if self.source == "env" else ".".join(path)


def load(path: Path | None, environ: Mapping[str, str], sets: Sequence[str] = ()) -> Config:
    """Defaults < file < environment < `--set KEY=VALUE`. Raises `ConfigError` for the first thing wrong."""
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    origins: dict[str, str] = {}
    for said in (*(_from_file(path) if path else ()), *_from_environ(environ), *_from_sets(sets)):
        value, (section, key) = _read(said), said.path[:2]
        # A broker's own keys come one by one; the rest of its table stays.
        values[section][key] = {**values[section].get(key, {}), **value} if isinstance(value, dict) else value
        origins.pop(f"{section}.{key}", None)
        origins[f"{section}.{key}"] = said.where
    try:
        made: dict[str, Any] = {name: section(**values[name]) for name, section in _SECTIONS.items()}
        config = Config(**made)
        if config.market.tables and not own_tables(config.tables_folder()):
            fix = "name a folder that holds, for example, charges.csv"
            raise ConfigError("market.tables", "that folder has none of the dated tables", fix)
    except ConfigError as error:
        # Of two keys that do not go together, the one said last is the one to look at.
        last = [where for name, where in origins.items() if name in error.where.split(" and ")][-1]
        raise ConfigError(last, error.what, error.fix) from None
    return config


def _from_file(path: Path) -> Iterator[Said]:
    for section, table in _toml(path).items():
        where = f"{path}: {section}"
        if section not in _SECTIONS:
            yield Said("file", (section,), table, where)
        elif not isinstance(table, dict):
            raise ConfigError(where, "this is a section, not a value", f"write [{section}] with its keys below")
        else:
            yield from (Said("file", (section, key), value, f"{where}.{key}") for key, value in table.items())


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # -sig: some editors put a byte-order mark first
        return tomllib.loads(text, parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(str(path), "config file not found", "check the path") from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})", "check the path and its rights") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        why = str(error).replace("at end of document", f"at line {text.count(chr(10)) + 1}, the end")
        raise ConfigError(str(path), f"this is not valid TOML: {why}", "correct the file") from None


def _from_environ(environ: Mapping[str, str]) -> Iterator[Said]:
    """Names with two underscores in a row; `DUALLOOP_LOG` and the like are not config."""
    meant = {"_".join(path): path for path in _KINDS}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and (path := meant.get(name[len(_PREFIX) :].lower())):
            raise ConfigError(name, "there is no such setting", f"did you mean {_PREFIX}{'__'.join(path).upper()}?")
        if name.startswith(_PREFIX) and "__" in name:
            if not name.isupper():
                raise ConfigError(name, "a setting's name is in upper case", f"write {name.upper()}")
            yield Said("env", tuple(name[len(_PREFIX) :].lower().split("__")), environ[name], name)


def _from_sets(sets: Sequence[str]) -> Iterator[Said]:
    for text in sets:
        name, equals, value = text.partition("=")
        where = f"--set {name.strip()}"
        if not equals:
            raise ConfigError(where, "there is no value", "write KEY=VALUE, for example stops.trail_pct=5")
        yield Said("set", tuple(name.strip().split(".")), value, where)


def _read(said: Said) -> object:
    """The value to keep. Raises `ConfigError` for a secret, an unknown key, or a value that the key does not want."""
    own = said.path[2:]
    for name in (*said.path, *(said.value if isinstance(said.value, dict) else ())):
        if _SECRET.search(name):
            fix = "remove it: secrets are given in the environment or in a file that only you can read (mode 0600)"
            raise ConfigError(said.where, f"{name} looks like a secret, and none belongs in a configuration", fix)
    kind = _KINDS.get(said.path[:2])
    if kind is None or (own and (kind is not TABLE or len(own) > 1 or not own[0])):
        raise ConfigError(said.where, "there is no such key", _suggestion(said))
    value = {own[0]: said.value} if own else said.value if said.source == "file" else kind.of_text(said.value)
    check(kind, value, said.where)
    return kind.kept(value)


def _suggestion(said: Said) -> str:
    """The known key most like the one that was said: the same key of another section, else the nearest spelling."""
    from difflib import get_close_matches

    sections = [(section,) for section in _SECTIONS]
    known = {".".join(path): path for path in [*_KINDS, *(sections if said.path[:1] not in sections else ())]}
    moved = [name for name, path in known.items() if path[-1] == said.path[-1].lower()]
    found = get_close_matches(".".join(said.path).lower(), moved or known, 1, 0 if moved else 0.6)
    if found:
        return f"did you mean {said.spelled(known[found[0]])}?"
    here = [path for path in _KINDS if path[0] == said.path[0]]
    return f"known are {', '.join(said.spelled(path) for path in here or sections)}"
