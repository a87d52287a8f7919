"""Threshold circuits that run: forms, gates, arithmetic, a softmax head, a block, a generation.

A gate is [sum w_i x_i >= theta] with integers of either sign. Source: the circuit class TC0 of
arXiv 2501.04299 and 2502.16490; the constructions and their counts are the claims `threshold-*`
and `circuit-*` of the ledger.
"""
