"""YAML as plain values; a key written twice is refused, for YAML itself would keep the last in silence."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from nnstrategies.errors import ConfigError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is six times as fast, where it is built in


class _Strict(_Loader):
    """A SafeLoader, so of plain values only, that names what is written as a date and is none."""

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            raise _refusal(f"{node.value} is no date ({error})", node) from None


_Strict.add_constructor("tag:yaml.org,2002:timestamp", _Strict.construct_yaml_timestamp)


def read_yaml(file: Path | Traversable, where: str) -> object:
    """The file's content; ConfigError, beginning with ``where``, says what is not readable and in which line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: expected readable UTF-8 text, got {type(error).__name__}") from None
    return parse_yaml(text, where)


def parse_yaml(text: str, where: str) -> object:
    """The same of a text that is there already."""
    loader = _Strict(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_doubles(node, set())
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _refuse_doubles(node: yaml.Node, seen: set[int]) -> None:
    """``seen``: nodes that are done, for an alias names one again."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _refuse_doubles(one, seen)
        return
    keys: set[tuple[str, str]] = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in keys:
                raise _refusal(f"{key.value!r} is written twice: keep one of them", key)
            keys.add((key.tag, key.value))
        _refuse_doubles(value, seen)


def _refusal(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
