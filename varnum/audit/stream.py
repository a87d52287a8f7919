"""Moved to `varnum.audit.layer_run`."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.layer_run")
