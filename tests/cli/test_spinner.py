"""The time left: read off counted steps, said once it is worth saying."""

from __future__ import annotations

from varnum.cli.spinner import TimeLeft, duration


def said(*steps):
    """What is shown for (seconds since the start, text)."""
    shown, now = [], [0.0]
    left = TimeLeft(shown.append, lambda: now[0])
    for seconds, text in steps:
        now[0] = seconds
        left(text)
    return shown


def test_the_rest_takes_as_long_as_what_is_done():
    assert said((0, "layer 1 of 4"), (3, "layer 2 of 4"), (6, "layer 3 of 4")) == [
        "layer 1 of 4",
        "layer 2 of 4, about 9 s left",
        "layer 3 of 4, about 6 s left",
    ]


def test_nothing_is_said_too_early_or_without_a_count():
    assert said((0, "input 1 of 9"), (1, "input 2 of 9"), (50, "reading")) == [
        "input 1 of 9",
        "input 2 of 9",
        "reading",
    ]


def test_another_count_starts_anew():
    steps = ((0, "layer 1 of 2"), (4, "layer 2 of 2"), (9, "scale 1 of 2"), (12, "scale 2 of 2"))
    assert said(*steps)[1:] == [
        "layer 2 of 2, about 4 s left",
        "scale 1 of 2",
        "scale 2 of 2, about 3 s left",
    ]
    assert said((0, "start 1 of 9"), (5, "start 1 of 9"))[1] == "start 1 of 9"


def test_durations_are_coarse():
    assert [duration(s) for s in (0.1, 89, 90, 5399, 5400)] == [
        "1 s",
        "89 s",
        "2 min",
        "90 min",
        "1.5 h",
    ]
