"""DIMACS: the right answer or one clear line, never something else."""

import gzip
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.errors import InputError
from varnum.hardness.cnf import MAX_BYTES, Cnf, parse_cnf, read_cnf
from varnum.hardness.reduce import MAX_SIDE, sat_to_ov
from varnum.hardness.solve import solve_sat

clauses = st.lists(st.lists(st.integers(-5, 5).filter(bool), max_size=4).map(tuple), max_size=6)


@given(clauses=clauses, breaks=st.lists(st.sampled_from([" ", "\n", "\n\n", "\t"]), min_size=1))
def test_round_trip_with_any_line_breaks(clauses, breaks):
    words = [str(word) for clause in clauses for word in (*clause, 0)]
    body = "".join(w + breaks[i % len(breaks)] for i, w in enumerate(words))
    cnf = parse_cnf(f"c comment\np cnf 5 {len(clauses)}\n{body}")
    assert cnf == Cnf(5, tuple(frozenset(c) for c in clauses))


def test_end_mark_and_comments_between():
    assert parse_cnf("p cnf 2 2\n1 2 0\nc between\n-1 0\n%\n0\n").clauses == ({1, 2}, {-1})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no header"),
        ("1 2 0\n", "line 1: '1' before the header"),
        ("p cnf 2\n", "is not 'p cnf"),
        ("p cnf -2 1\n", "is not 'p cnf"),
        ("p cnf 2 1 7\n", "is not 'p cnf"),
        ("p dnf 2 1\n1 0\n", "is not 'p cnf"),
        ("p cnf 2 1\n1 0\np cnf 2 1\n", "a second header"),
        ("p cnf 2 2\n1 0\n", "1 clauses, but the header promises 2"),
        ("p cnf 2 1\n1 0\n2 0\n", "2 clauses, but the header promises 1"),
        ("p cnf 2 1\n3 0\n", "literal 3 is unknown"),
        ("p cnf 2 1\n1 2\n", "no 0 at its end"),
        ("p cnf 2 1\n1 x 0\n", "'x' is not a literal"),
        ("p cnf 2 1\n1 +2 0\n", "is not a literal"),
        ("p cnf 20 1\n1_0 0\n", "is not a literal"),
        ("p cnf 2 1\n1.0 0\n", "is not a literal"),
        ("p cnf 2 1\n1 -0\n", "is not a literal"),
        ("p cnf 2 1\n1 ٢ 0\n", "is not a literal"),
        (f"p cnf 2 1\n{'9' * 5000} 0\n", "is not a literal"),
        ("p cnf 2 1\n1 0\n%\n2 0\n", "end mark"),
        ("p cnf 2 1\nc a comment\x0c1 0\n", "0 clauses"),
        ("p cnf 999999999999999999 1\n1 0\n", "at most 1000000 are allowed"),
    ],
)
def test_doubtful_text_is_refused_in_one_line(text, says):
    with pytest.raises(InputError, match=f"(?s).*{says}") as caught:
        parse_cnf(text, "f.cnf")
    assert str(caught.value).startswith("f.cnf")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_mutated_texts_are_refused_or_answered_right():
    rng = random.Random(11)
    answered = 0
    for _ in range(2000):
        names, count = rng.randint(1, 4), rng.randint(0, 5)
        text = list(f"c x\np cnf {names} {count}\n")
        for _ in range(count):
            for _ in range(rng.randint(0, 3)):
                text.append(f"{rng.choice((1, -1)) * rng.randint(1, names)} ")
            text.append("0\n")
        text = list("".join(text))
        for _ in range(rng.randint(0, 3)):
            text[rng.randrange(len(text))] = rng.choice("0123 -\ncp%x") * rng.randint(0, 2)
        try:
            cnf = parse_cnf("".join(text))
        except InputError:
            continue
        occurring = sorted({abs(x) for clause in cnf.clauses for x in clause})
        truth = any(
            cnf.satisfied_by({v if code >> k & 1 else -v for k, v in enumerate(occurring)})
            for code in range(2 ** len(occurring))
        )
        body = [w for line in "".join(text).split("\n")[2:] for w in line.split()]
        if not {"c", "%"} & set("".join(body)) and "p" not in "".join(body):
            assert body.count("0") == len(cnf.clauses)  # nothing was dropped on the way
        assert solve_sat(cnf, Fraction("0.1249")).satisfiable == truth
        answered += 1
    assert answered > 300


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "absent.cnf"):
        with pytest.raises(InputError, match="cannot be read"):
            read_cnf(path)
    if Path("/dev/zero").exists():  # says 0 bytes, never ends
        with pytest.raises(InputError, match="no more are read"):
            read_cnf(Path("/dev/zero"))
    binary = tmp_path / "binary.cnf"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(InputError):
        read_cnf(binary)


def test_huge_formulas_are_refused_before_anything_is_allocated():
    many = Cnf(10**6, tuple(frozenset({i + 1, i + 2}) for i in range(60)))
    with pytest.raises(InputError, match="61 variables occur"):
        sat_to_ov(many)
    wide = Cnf(30, tuple(frozenset({i % 29 + 1, -(i % 30 + 1), i // 900 + 1}) for i in range(9000)))
    with pytest.raises(InputError, match="numbers a side"):
        sat_to_ov(
            Cnf(
                30,
                tuple(
                    frozenset({a, b, c})
                    for a in range(1, 31)
                    for b in range(1, 31)
                    for c in range(1, 31)
                )
                + wide.clauses,
            )
        )
    assert MAX_SIDE == 2**15


def test_an_assignment_set_both_ways_is_no_assignment():
    with pytest.raises(ValueError, match="both ways"):
        Cnf(1, (frozenset({1}), frozenset({-1}))).satisfied_by({1, -1})


TEXT = b"p cnf 2 2\n1 2 0\n-1 0\n"


def test_packed_marked_and_piped_formulas(tmp_path):
    right = parse_cnf(TEXT.decode())
    for name, content in (("f.cnf.gz", gzip.compress(TEXT)), ("f.cnf", b"\xef\xbb\xbf" + TEXT)):
        (tmp_path / name).write_bytes(content)
        assert read_cnf(tmp_path / name) == right
    done = subprocess.run(
        [sys.executable, "-m", "varnum", "hardness", "sat", "-"], input=TEXT, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"SATISFIABLE")


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(TEXT)[:-9], b"\x1f\x8b", b"\x1f\x8b" + bytes(30),
        gzip.compress(TEXT)[:12] + b"\xff" * 20, gzip.compress(bytes(MAX_BYTES + 1)),
        b"\xff\xfe" + TEXT.decode().encode("utf-16-le"), b"BZh91AY&SY",
    ],
)  # fmt: skip
def test_packed_files_that_are_none(tmp_path, content):
    (tmp_path / "f.cnf.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"f\.cnf\.gz: ") as caught:
        read_cnf(tmp_path / "f.cnf.gz")
    assert "\n" not in str(caught.value)
