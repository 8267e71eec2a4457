"""How far points lie from a line."""

import numpy as np
from numpy.typing import NDArray


def furthest(points: NDArray[np.float64], line: NDArray[np.float64]) -> float:
    """Return how far the furthest of these points ``(points, 2)`` lies from a line of corners ``(corners, 2)``."""
    start, way = line[:-1], np.diff(line, axis=0)
    length = (way**2).sum(axis=1)
    distances = []
    for point in points:
        share = np.clip(((point - start) * way).sum(axis=1) / np.where(length > 0, length, 1.0), 0, 1)
        distances.append(np.linalg.norm(start + share[:, None] * way - point, axis=1).min())
    return float(max(distances))
