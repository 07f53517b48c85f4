"""A finding: what was looked at, whether it is well, and what to do. The one rule: none is silent about itself."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """The day can begin, and somebody should know."""
    FAIL = "fail"


class Finding(NamedTuple):
    """One sentence without a full stop, and what to do where there is something to do."""

    check: str
    level: Level
    what: str
    fix: str = ""
    of_broker: bool = False
    """It is about the broker or the login to it."""

    def document(self) -> dict[str, str]:
        return {"check": self.check, "level": self.level.value, "what": self.what, "fix": self.fix}


class Verdict(StrEnum):
    """What all of them come to."""

    READY = "ready"
    """Nothing failed."""
    FAILED = "failed"
    BROKER = "broker"
    """The broker or the login failed: what hangs on it could not be looked at."""


def verdict(findings: Sequence[Finding]) -> Verdict:
    failed = [each for each in findings if each.level is Level.FAIL]
    if any(each.of_broker for each in failed):
        return Verdict.BROKER
    return Verdict.FAILED if failed else Verdict.READY


class Report(NamedTuple):
    """Of one broker and day (`YYYY-MM-DD`)."""

    broker: str
    day: str
    findings: tuple[Finding, ...]

    def document(self) -> dict[str, Any]:
        counts = {level.value: sum(each.level is level for each in self.findings) for level in Level}
        return {
            "broker": self.broker,
            "day": self.day,
            "verdict": verdict(self.findings).value,
            **counts,
            "findings": [each.document() for each in self.findings],
        }
