"""The command line in this process: what it prints and its exit code, without a start of Python."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from varnum.cli import main


def varnum(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m varnum arguments`, 80 columns wide, nothing on stdin."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["varnum", *arguments]),
        mock.patch.dict(os.environ, {"COLUMNS": "80"} | environment),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
