"""A YAML file as plain values; a key written twice is refused, for YAML itself would keep the last in silence."""

from __future__ import annotations

from importlib.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from nnstrategies.errors import ConfigError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is six times as fast, where it is built in


class _NoDoubles(_Loader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is written twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(file: Path | Traversable, where: str) -> object:
    """The file's content; ConfigError, beginning with ``where``, says what is not readable and in which line."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _NoDoubles)  # a SafeLoader: plain values only
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: expected readable UTF-8 text, got {type(error).__name__}") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # ValueError: 2020-13-01
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
