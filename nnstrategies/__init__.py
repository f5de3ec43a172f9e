"""Neural predictors inside ordinary backtrader strategies, from market data to a tear sheet."""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a source checkout feeds/, brokers/ and configs/ lie beside this package; the installed wheel holds them inside it.
_root = _Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "feeds").is_dir():
    __path__.append(str(_root))
