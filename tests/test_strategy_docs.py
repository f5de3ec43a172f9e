"""The pages on strategies, the broker and explaining: every Python block runs as shown, in order."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
NEEDS_A_RUN = "# needs a run"


def python_blocks(page: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("page", "least"), [("strategies.md", 5), ("broker.md", 1), ("explain.md", 2)])
def test_every_python_block_of_the_page_runs_as_shown(page, least, tmp_path, monkeypatch):
    shown = [block for block in python_blocks(page) if not block.startswith(NEEDS_A_RUN)]
    assert len(shown) >= least
    module = types.ModuleType(f"docs_{page.removesuffix('.md')}")  # backtrader looks its classes' module up
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    for number, block in enumerate(shown, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), module.__dict__)


def test_only_the_scores_of_a_run_are_not_executed():
    skipped = [
        block for page in ("strategies.md", "broker.md") for block in python_blocks(page) if NEEDS_A_RUN in block
    ]
    assert len(skipped) == 1
    assert "read_scores(" in skipped[0]
    compile(skipped[0], "skipped", "exec")
