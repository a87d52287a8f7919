"""Certified cluster summaries of keys and values: some rows kept, the others merged in groups.

A cluster keeps its count, mean key and mean value (the merge), and second moments (the
certificate). `Clusters` reads queries with a bound per row: claims merge-error and evict-mass.
"""

from varnum.lowrank.clusters.cluster_summary import Attended, Clusters
from varnum.lowrank.clusters.grouping import group

__all__ = ["Attended", "Clusters", "group"]
