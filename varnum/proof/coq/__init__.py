"""Certificates and theorems that Coq checks: the file to compile, the prelude, the compiler."""
