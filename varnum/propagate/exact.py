"""Moved to `varnum.propagate.run_enclosure`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.propagate.run_enclosure")
