"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnstrategies.errors import RegistryError


@contextmanager
def whole(path: Path, what: str) -> Iterator[Path]:
    """Give a path beside ``path`` to write a file or folder at; it takes the place of ``path`` when the block ends.

    When the block fails nothing of it is left and ``path`` is as before. Raises RegistryError naming ``what`` and the
    path where the system refuses, as a full disk does. A kill may leave the hidden path beside, which nothing reads.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise RegistryError(
            f"{what} {path}: could not be written: {error.strerror or error}; free space there or allow writing, then "
            f"start again: what was finished before is kept"
        ) from None
    finally:
        with suppress(OSError):
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)
