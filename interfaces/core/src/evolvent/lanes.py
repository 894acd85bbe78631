"""For authors of drivers: many trajectories at once on any array library."""

from ._lanes import LaneRecord, LanesBackend, lane_of
from ._plot import to_numpy

__all__ = ["LaneRecord", "LanesBackend", "lane_of", "to_numpy"]
