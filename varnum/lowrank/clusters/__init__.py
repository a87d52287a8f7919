"""Certified cluster summaries of keys and values: some rows kept, the others merged in groups.

A cluster keeps its count, mean key and mean value (the merge), and second moments (the
certificate). `Clusters` reads queries with a bound per row: claims merge-error and evict-mass.
"""

from varnum.lowrank.clusters.grouping import group
from varnum.lowrank.clusters.summary import Attended, Clusters

__all__ = ["Attended", "Clusters", "group"]
