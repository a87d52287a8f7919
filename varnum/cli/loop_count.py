"""`varnum loop --count`: every fixed point, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.cli.loop_rows import SHOWN, draw, end, show_rows
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.loop.count import Count
    from varnum.loop.net import Net


def run_count(
    net: Net, file: str, box: tuple[Any, Any] | None, boxes: int, jobs: int, cluster: str | None,
    plot: Path | None, json: bool, say: Any,
) -> int:  # fmt: skip
    """Every fixed point, exactly, over this process, several, or a cluster."""
    from contextlib import nullcontext

    from varnum.audit.executor import Crew, default_jobs, one_thread, processes
    from varnum.audit.executor import cluster as open_cluster
    from varnum.loop.count import certify_count

    if boxes < 1 or jobs < 0:
        raise InputError("--boxes, --jobs: negative or 0; allowed are 1 or more (--jobs 0: cores)")
    many = jobs or default_jobs()
    one_thread()
    opened = open_cluster(cluster) if cluster else nullcontext(processes(many))
    pieces = 1 if many == 1 and not cluster else max(16, 8 * many)
    with opened as executor:

        def run(work: Any, parts: Any) -> Any:
            crew: Crew[Any, Any] = Crew(work, executor)
            try:
                for part in parts:
                    crew.submit(part)
                for i in range(len(parts)):
                    say(f"piece {i + 1} of {len(parts)}")
                    yield crew.next()
            finally:
                crew.close()

        found = certify_count(net, box, run, pieces, boxes)
    if plot is not None:
        draw(net, found.points, plot)
    content = _count_numbers(net, file, found, box)
    verdict = "proved" if found.complete else "unknown"
    return end(content, verdict, True, json, lambda _: _show_count(net, found, box))


def _count_numbers(net: Net, file: str, found: Count, box: Any) -> dict[str, Any]:
    from varnum.balls import to_text
    from varnum.loop.sturm import fixed_points_of_the_plane
    from varnum.outward import float_down, float_up

    unknown = found.labelled("unknown")
    points = [
        {
            "point": list(point.estimate),
            "low": [float_down(low) for low, _ in point.box],
            "high": [float_up(high) for _, high in point.box],
            "stability": point.label,
            "spectral_radius": None if point.radius is None else float_up(point.radius[1]),
        }
        for point in found.points
    ]
    content = {
        "file": file,
        "activation": net.g.name,
        "d": net.d,
        "box": None if box is None else [to_text(end) for end in box],
        "complete": found.complete,
        "count": len(found.points) if found.complete else None,
        "found": len(found.points),
        "attracting": found.labelled("attracting"),
        "not_attracting": found.labelled("not attracting"),
        "stability_unknown": unknown,
        "boxes": found.boxes,
        "points": points,
        "sturm": fixed_points_of_the_plane(net) if box is None else None,
    }
    return content if found.complete else content | {"reason": found.reason}


def _show_count(net: Net, found: Count, box: Any) -> None:
    from varnum.balls import to_text
    from varnum.loop.sturm import fixed_points_of_the_plane

    where = f"R^{net.d}" if box is None else f"[{to_text(box[0])}, {to_text(box[1])}]^{net.d}"
    number, attract = len(found.points), found.labelled("attracting")
    unknown = found.labelled("unknown")
    split = f"{attract} attracting, {found.labelled('not attracting')} not"
    if unknown:
        split += f", {unknown} not known"
    if found.complete:
        text = f"{number} in {where}, exactly ({found.boxes} boxes): {split}"
    else:
        text = f"unknown in {where}: {found.reason}; {number} found ({split})"
    rows = [("fixed points", text)]
    second = fixed_points_of_the_plane(net) if box is None else None
    if second is not None:
        rows.append(("Sturm", f"{second} by a second method, exact rationals, no boxes"))
    for i, point in enumerate(found.points[:SHOWN]):
        place = ", ".join(f"{x:.6g}" for x in point.estimate[:6])
        dots = ", .." if net.d > 6 else ""
        rows.append(("" if i else "points", f"({place}{dots})  {point.label}"))
    if number > SHOWN:
        rows.append(("", f".. and {number - SHOWN} more (--json)"))
    show_rows(rows)
