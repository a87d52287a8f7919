"""Moved to `varnum.approx.degree_certificate`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.approx.degree_certificate")
