"""Array aliases used in signatures; the docstring gives the shape."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
DateArray = NDArray[np.datetime64]
AnyArray = NDArray[Any]
