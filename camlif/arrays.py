"""Array types by the kind and width of their numbers, for annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Float32Array = NDArray[np.float32]
"""Values of features, as cohorts and networks hold them."""
Float64Array = NDArray[np.float64]
"""Outcomes, risks and statistics."""
