"""Low rank by block optimal recovery: linear cost, a bound per row from the keys' own Gram blocks.

Claim recovery (proofs/recovery.md).
"""
