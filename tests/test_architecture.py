"""Import directions, package list and the lightness of ``import nnstrategies``."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("nnstrategies", "feeds", "brokers", "configs")

BASE = {"errors", "typing", "calendar", "panel", "scores", "event_table", "actions"}
DATA = BASE | {"features", "holding", "labels", "splits", "samples"}
# What each part may import of the others; itself is always allowed.
ALLOWED = {
    "errors": set(),
    "typing": set(),
    "calendar": BASE,
    "panel": BASE,
    "event_table": BASE,
    "actions": BASE,
    "scores": BASE,
    "features": BASE,
    "holding": BASE,
    "labels": BASE | {"features", "holding"},
    "splits": BASE | {"labels", "samples"},
    "samples": BASE | {"features", "labels", "splits"},
    "factors": BASE | {"features", "holding", "labels", "samples"},
    "models": BASE,
    "training": DATA | {"factors", "models"},
    "predictors": DATA | {"models", "training"},
    "evidence": DATA | {"factors", "models", "training", "predictors"},
    "explain": DATA | {"evidence", "training"},
    "search": DATA | {"factors", "models", "training"},
    "trials": {"errors", "typing"},
    "yaml_file": {"errors"},
    "market": BASE | {"yaml_file"},
    "view": BASE | {"market"},
    "indicators": BASE,
    "strategies": BASE | {"market", "view", "indicators"},
    "feeds": BASE,
    "brokers": BASE | {"market"},
    "engine": BASE | {"feeds", "brokers"},
    "audit": DATA | {"factors", "training", "predictors", "evidence", "backtest"},
    "comparison": {"typing"},
    "resampling": {"typing"},
    "regimes": {"typing"},
    "report": {"errors", "typing", "comparison", "resampling"},
}
HEAVY = {"torch", "captum", "ccxt", "matplotlib", "pyfolio"}
MAY_NOT = {"strategies": {"torch"}, "view": {"torch"}, "indicators": {"torch"}, "report": {"torch", "backtrader"}}


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "nnstrategies":
        return relative.parts[1].removesuffix(".py")
    return relative.parts[0]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    part = part_of(path)
    own = {name.split(".")[1] for name in imported(path) if name.startswith("nnstrategies.")} - {"__version__"}
    outside = {name.split(".")[0] for name in imported(path)}
    if part in ALLOWED:
        wrong = own - ALLOWED[part] - {part}
        assert not wrong, f"{part} may not import {sorted(wrong)}"
    assert not outside & MAY_NOT.get(part, set())


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, nnstrategies; print(*sorted(set(sys.modules) & set(sys.argv[1:])))"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_every_folder_with_code_is_in_the_package_list():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {"nnstrategies"}
    for path in SOURCES:
        parts = path.relative_to(ROOT).parent.parts
        found.add(".".join(parts if parts[0] == "nnstrategies" else ("nnstrategies", *parts)))
    assert found == listed


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")) + SOURCES, ids=lambda path: path.name)
def test_nothing_reaches_the_checkout_through_the_package(path):
    """In a checkout the package's search path ends at its root, so these would import there and fail when installed."""
    leaks = {"nnstrategies." + name for name in ("tests", "nnstrategies", "docs", "benchmarks", "examples")}
    reached = {".".join(name.split(".")[:2]) for name in imported(path)}
    assert not reached & leaks
