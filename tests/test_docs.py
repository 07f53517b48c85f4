"""The manual is tested: its generated parts are current, and it names every command, key and reason."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from dualloop.cli import app
from dualloop.config import Config, load
from dualloop.market.reasons import STOPS, Why

ROOT = Path(__file__).resolve().parents[1]


def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["README.md", "docs/strategy.md", "docs/architecture.md", "docs/market.md"])
def test_the_generated_parts_are_current(name: str) -> None:
    """Output, order diagram and worked day are what the code says today: run tools/make_docs.py if this fails."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert make_docs().with_blocks(name, text) == text


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    groups = [(f"{group.name} ", group.typer_instance) for group in app.registered_groups]
    for ahead, part in [("", app), *groups]:
        assert part is not None
        for command in part.registered_commands:
            assert command.callback is not None
            name = ahead + command.callback.__name__
            assert f"`dualloop {name}" in text or f"`{name} " in text


def test_the_readmes_configuration_is_the_default_and_whole(tmp_path: Path) -> None:
    """Every key with its default, and nothing that is not a key."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("```toml\n")[1].split("```")[0]
    (tmp_path / "c.toml").write_text(block)
    assert load(tmp_path / "c.toml", {}) == Config()
    written = tomllib.loads(block)
    for section in ("strategy", "stops", "limits", "paper", "backtest", "market"):
        assert set(written[section]) == set(getattr(Config(), section).__struct_fields__)


def test_the_strategy_page_names_every_reason_and_stop() -> None:
    text = (ROOT / "docs" / "strategy.md").read_text(encoding="utf-8")
    for reason in [*Why, *STOPS]:
        assert reason.value in text
