"""What a run says: on the terminal for people, in the run folder's log.txt with times."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console

console = Console(stderr=True, highlight=False)


def open_log(path: Path) -> None:
    """Send this package's log to ``path`` (appended) and, without times, to the terminal."""
    close_log()
    root = logging.getLogger("nnstrategies")
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.addHandler(file)
    root.addHandler(_Terminal())
    root.setLevel(logging.INFO)
    root.propagate = False


def close_log() -> None:
    root = logging.getLogger("nnstrategies")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()


class _Terminal(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        console.print(record.getMessage(), markup=False, soft_wrap=True)
