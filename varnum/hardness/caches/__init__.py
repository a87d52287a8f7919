"""Caches that are sparse, evicted or merged: what they must hold, and what they may forget."""
