"""The built wheel, unpacked by ``make``, works outside the checkout with nothing of the checkout on its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_pipeline import FEATURES

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"


@pytest.fixture(scope="module")
def site() -> Path:
    if not (SITE / ".built").is_file():
        pytest.skip("the wheel is not built; 'make test' builds it")
    return SITE


def python(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_wheel_claims_one_name_and_holds_every_package(site, tmp_path):
    code = (
        "import nnstrategies, nnstrategies.feeds.files, nnstrategies.brokers, nnstrategies.report\n"
        "from nnstrategies.config import available\n"
        "print(nnstrategies.__file__, list(nnstrategies.__path__), *available())"
    )
    done = python(site, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(site / "nnstrategies" / "__init__.py") in done.stdout
    assert f"['{site / 'nnstrategies'}']" in done.stdout
    assert "csi300 quickstart" in done.stdout
    for name in ("feeds", "brokers", "configs", "tests"):
        assert not (site / name).exists()
    assert (site / "nnstrategies" / "py.typed").is_file()


def test_a_run_from_the_wheel_writes_its_report(site, tmp_path):
    config = {
        "name": "wheel",
        "data": {"source": "simulated", "symbols": 16, "members": 12, "sessions": 260, "listing_sessions": 40},
        "features": FEATURES,
        "window": 5,
        "label": {"horizon_days": 5},
        "walk_forward": {"first_test": "2015-10-08"},
        "recipes": {"ridge": {"kind": "ridge"}},
        "headline": "ridge",
        "evidence": {"refits": 0},
        "strategy": {"top_n": 4},
    }
    (tmp_path / "wheel.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = python(site, "-m", "nnstrategies.cli", "run", "wheel.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (page,) = tmp_path.glob("runs/*/report.html")
    assert "<html" in page.read_text(encoding="utf-8")[:500]
