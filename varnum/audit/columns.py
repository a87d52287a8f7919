"""Moved to `varnum.audit.fields`, where HEADS and SCALES are fields with a title and more."""

from varnum._moved import moved

__getattr__ = moved(__name__, "varnum.audit.fields")
