"""Named causal functions of a panel, their values in one array, and a hash of what they are."""

from __future__ import annotations

import hashlib
import inspect
import marshal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, partial
from types import FunctionType

import numpy as np
import talib

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.features.memo import forget
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, DateArray, Float32Array, IntArray

FeatureFunction = Callable[[Panel], AnyArray]

_BLOCK = 16  # features written together: 16 float32 fill a cache line


@dataclass(frozen=True)
class Features:
    """Feature values [N, T, F], float32, C-contiguous when made; row t is known at the close of session t.

    NaN means not available (warming up, not listed). ``set_hash`` says which functions made them.
    optional: names of features that a symbol may lack on a session (a bank has no inventory); a sample that lacks them
        is still usable, and a scaler puts its neutral value there.
    leaky: names of features that read the future on purpose, to measure what that gains; no model that saw one may
        trade.
    """

    sessions: DateArray
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    values: Float32Array
    set_hash: str
    optional: frozenset[str] = frozenset()
    leaky: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.symbols), len(self.sessions), len(self.names))
        if self.values.shape != expected or self.values.dtype != np.float32:
            raise DataError(
                f"features: expected float32 values of shape [N, T, F] = {expected}, "
                f"got {self.values.dtype} {self.values.shape}"
            )
        self.values.flags.writeable = False

    @property
    def T(self) -> int:  # noqa: N802
        return len(self.sessions)

    def upto(self, t: int) -> Features:
        """Rows 0..t as a view without a copy."""
        if not 0 <= t < self.T:
            raise DataError(f"features: upto({t}): expected a row from 0 to {self.T - 1}")
        return replace(self, sessions=self.sessions[: t + 1], values=self.values[:, : t + 1])

    def column(self, name: str) -> Float32Array:
        """One feature as a [T, N] view."""
        return self.values[:, :, _position(name, self.names)].T

    @property
    def required(self) -> IntArray:
        """Positions of the features that a usable sample must have."""
        return np.array([f for f, name in enumerate(self.names) if name not in self.optional], dtype=np.int64)


class FeatureSet:
    """Features computed together, in this order.

    Each function takes a Panel and returns floats [T, N] whose row t uses rows up to t only. Infinite values count as
    not available and become NaN. To check a function of your own, see docs/features.md.
    optional: names of features that a usable sample may lack, see ``Features``.
    """

    def __init__(self, functions: Mapping[str, FeatureFunction], optional: Iterable[str] = ()) -> None:
        if not functions:
            raise ConfigError("features: expected at least one feature, got none")
        self._functions = dict(functions)
        self.optional = frozenset(optional) & self._functions.keys()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._functions)

    @property
    def leaky(self) -> tuple[str, ...]:
        """Names of the features that read the future on purpose (``reads_the_future``)."""
        return tuple(name for name, function in self._functions.items() if getattr(function, "leaky", False))

    def __len__(self) -> int:
        return len(self._functions)

    @cached_property
    def hash(self) -> str:
        """sha256 over names, source code (functions they call included), which are optional, and the TA-Lib version."""
        digest = hashlib.sha256(f"TA-Lib {talib.__version__} {getattr(talib, '__ta_version__', b'')!r}".encode())
        for name, function in self._functions.items():
            digest.update(f"\0{name}\0".encode())
            digest.update("\0".join(_sources(function, set())).encode())
        for name in sorted(self.optional):
            digest.update(f"\0optional {name}".encode())
        return digest.hexdigest()

    def select(self, names: Iterable[str]) -> FeatureSet:
        """The set with these features only, in this order; ConfigError for an unknown or repeated name."""
        wanted = tuple(names)
        for name in wanted:
            _position(name, self.names)
            if wanted.count(name) > 1:
                raise ConfigError(f"features: {name!r} is listed twice; name each feature once")
        return FeatureSet({name: self._functions[name] for name in wanted}, self.optional)

    def __call__(self, panel: Panel) -> Features:
        """Compute all features; DataError names the function that returned something else than floats [T, N]."""
        out = np.empty((panel.N, panel.T, len(self)), dtype=np.float32)
        names = self.names
        try:
            for start in range(0, len(names), _BLOCK):
                block = [self._compute(name, panel) for name in names[start : start + _BLOCK]]
                for n in range(panel.N):  # one symbol at a time stays in the cache
                    out[n, :, start : start + len(block)] = np.stack([values[n] for values in block], axis=-1)
        finally:
            forget(panel)
        return Features(panel.sessions, panel.symbols, names, out, self.hash, self.optional, self.leaky)

    def _compute(self, name: str, panel: Panel) -> Float32Array:
        values = self._functions[name](panel)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            got = f"{values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
            raise DataError(f"feature {name!r}: expected a float array, got {got}; convert with .astype(float)")
        if values.shape != panel.shape:
            hint = "; return the transpose" if values.shape == panel.shape[::-1] else ""
            raise DataError(f"feature {name!r}: expected shape [T, N] = {panel.shape}, got {values.shape}{hint}")
        with np.errstate(over="ignore"):
            stored = np.array(values.T, dtype=np.float32, order="C")  # [T, N] -> [N, T]
        stored[np.isinf(stored)] = np.nan
        return stored


def reads_the_future(function: FeatureFunction) -> FeatureFunction:
    """Mark a feature that looks ahead on purpose; ``FeatureSet.leaky`` and ``Features.leaky`` name it from then on."""
    function.leaky = True  # type: ignore[attr-defined]
    return function


def _position(name: str, names: tuple[str, ...]) -> int:
    if name in names:
        return names.index(name)
    close = get_close_matches(name, names, n=1)
    raise ConfigError(f"features: unknown feature {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


def _sources(function: object, seen: set[int]) -> list[str]:
    """Source of a function, its bound values, and of the functions and constants of its own package that it uses."""
    if isinstance(function, partial):
        bound = [*function.args, *(part for pair in sorted(function.keywords.items()) for part in pair)]
        return [*_sources(function.func, seen), *(text for value in bound for text in _sources(value, seen))]
    plain = inspect.unwrap(function) if callable(function) else function
    if not isinstance(plain, FunctionType):
        return [repr(plain)] if isinstance(plain, int | float | str | bytes | tuple | None) else _class_source(plain)
    if id(plain) in seen:
        return []
    seen.add(id(plain))
    found = [_source(plain), repr(plain.__defaults__)]
    for cell in plain.__closure__ or ():
        found += _sources(cell.cell_contents, seen)
    package = _package(plain)
    for name in _names_used(plain):
        used = plain.__globals__.get(name)
        if isinstance(used, int | float | str | tuple) or (
            callable(used) and _package(inspect.unwrap(used)) == package
        ):
            found += [name, *_sources(used, seen)]
    return found


def _package(thing: object) -> str:
    return str(getattr(thing, "__module__", None)).split(".")[0]


def _class_source(thing: object) -> list[str]:
    try:
        return [inspect.getsource(type(thing)), repr(sorted(vars(thing).items()))]
    except (OSError, TypeError):
        return [type(thing).__qualname__]


def _source(function: FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except OSError:  # typed at a prompt: no file to read
        return marshal.dumps(function.__code__).hex()


def _names_used(function: FunctionType) -> list[str]:
    codes = [function.__code__]
    names: set[str] = set()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
    return sorted(names)
