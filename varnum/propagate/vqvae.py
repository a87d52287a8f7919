"""Moved to `varnum.propagate.vqvae_norms`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.propagate.vqvae_norms")
