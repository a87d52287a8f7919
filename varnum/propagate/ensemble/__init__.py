"""Whole models at real depth: random ensembles of deviations, pushed through exact Jacobians."""
