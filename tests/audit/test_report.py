"""The page: complete, escaped, needing no network; looked at by a headless Chromium."""

from __future__ import annotations

import base64
import copy
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from varnum.audit.fields import ASSURANCE, HEADS
from varnum.audit.page.page import page, reproduce
from varnum.audit.summary import summarise, text

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = ["--random", "var-tiny", "--labels", "1,2", "--output-error", "1e-1,1e-2", "--jobs", 1]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """The JSON of an audit, and the page it wrote."""
    import sys

    path = tmp_path_factory.mktemp("page") / "report.html"
    command = [sys.executable, "-m", "varnum", "audit", *map(str, OPTIONS), "--json", "--html"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), path


class Reader(HTMLParser):
    """Collects tags with their attributes, and checks that they nest."""

    VOID = ("meta", "link")

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_one_file_that_needs_nothing_else(audited):
    source = audited[1].read_text()
    reader = Reader()
    reader.feed(source)
    assert reader.open == []
    for tag, attributes in reader.seen:
        for name in ("src", "href", "action"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttp", source)


def test_every_number_says_what_it_rests_on(audited):
    answer, path = audited
    heads = [row for row in answer["rows"] if row["kind"] == "head"]
    assert len(heads) == 2 * 4 * 2 * 2
    context = {"kind", "model", "layer", "prompt", "label", "head", "output_error", "eps", "d",
               "M_rounded", "centred", "scales", "side", "tokens", "prefix"}  # fmt: skip
    for row in [*heads, *(s for r in heads for s in r["scales"])]:
        assert set(row) - context <= set(ASSURANCE)
        for name in set(row) & set(ASSURANCE) - {"n_certified"}:
            assert "certified" not in name or ASSURANCE[name].startswith("proved")
    assert answer["assurance_of"] == ASSURANCE
    budgets = [row for row in answer["rows"] if row["kind"] == "budget"]
    assert [row["assurance"] for row in budgets] == ["estimated"] * 2
    assert "</span> in every layer keeps the logits within" in path.read_text()
    for name in ("ops_certified", "state_certified", "ops_output", "state_output"):
        assert ASSURANCE[name] == "proved for this run"  # they follow from a rank of this run
    for name in ("dimension", "rank_reference", "n_certified", "n_output"):
        assert ASSURANCE[name] == "estimated"
    source = path.read_text()
    for field in HEADS:
        assert f'{html.escape(field.title)}</button><span class="tag' in source
        assert field.name in ASSURANCE
    assert html.escape(answer["command"]) in source


def test_the_command_of_a_head_gives_its_numbers_again(audited, varnum):
    row = [r for r in audited[0]["rows"] if r["kind"] == "head"][5]
    code, out, _ = varnum(*reproduce(row).split()[1:], "--json")
    again = json.loads(out)
    assert code == 0
    assert (again["degree"], again["rank"]) == (row["degree_apriori"], row["rank_apriori"])
    assert again["cost"]["lowrank"] == row["ops_apriori"]
    assert again["cost"]["exact"] == row["ops_exact"]
    assert (again["crossover_n"], again["pays"]) == (row["n_apriori"], row["pays_apriori"])


EVIL = "</script><img src=x onerror=alert(1)>&\"'"


def test_strings_from_outside_stay_strings(audited):
    rows = copy.deepcopy(audited[0]["rows"])
    for row in rows:
        row["model"] = EVIL
    source = page(rows, summarise(rows), {"models": [EVIL]}, f"varnum audit --var {EVIL}")
    assert "<img" not in source
    assert source.count("</script>") == 3
    data = re.search(r'id="rows">(.*?)</script>', source, re.S)[1]
    assert EVIL in json.loads(data)[0]["title"]


def test_the_summary_fits_one_screen(audited):
    groups = audited[0]["summary"]
    for shown in (text(groups[:1]), text(groups), text(groups * 30)):
        assert len(shown) <= 30
        assert max(map(len, shown)) <= 80
    assert "proved" in "\n".join(text(groups[:1]))


# --- in a browser -------------------------------------------------------------------------------

WATCH = """<script>
window.problems = [];
window.addEventListener("error", (e) => window.problems.push(String(e.message)));
</script>"""
USE = """<script>
const tables = document.querySelectorAll("table"), last = tables[tables.length - 1];
const column = (i) => [...last.tBodies[0].rows].map((r) => Number(r.cells[i].dataset.key));
const titles = last.tHead.rows[0].cells;
titles[6].querySelector("button").click();
const down = column(6);
titles[6].querySelector("button").click();
const up = column(6);
last.tBodies[0].rows[0].click();
const panel = document.getElementById("detail");
document.body.dataset.found = JSON.stringify({
  problems: window.problems, down, up, first: Number(last.tBodies[0].rows[0].dataset.index),
  title: panel.querySelector("h3").textContent, lines: panel.querySelectorAll("tbody tr").length,
  wide: document.documentElement.scrollWidth, window: window.innerWidth,
  colour: getComputedStyle(document.body).backgroundColor,
});
</script>"""


def browse(path, width, dark, *more):
    """What the browser prints, and what its console says about the page."""
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    flags += ["--enable-logging=stderr", "--virtual-time-budget=5000"]
    command = [CHROMIUM, *flags, *scheme, *more, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


COUNT = """<body><img src="data:image/png;base64,%s"><script>
addEventListener("load", () => {
  const image = document.querySelector("img"), canvas = document.createElement("canvas");
  const [width, height] = [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const p = context.getImageData(0, 0, width, height).data, back = [p[0], p[1], p[2]];
  let same = 0, coloured = 0;
  for (let i = 0; i < p.length; i += 4) {
    const rgb = [p[i], p[i + 1], p[i + 2]];
    same += rgb.every((c, k) => c === back[k]);
    coloured += Math.max(...rgb) - Math.min(...rgb) > 60;
  }
  const size = width * height;
  document.body.dataset.found = JSON.stringify(
    { width, height, back, same: same / size, coloured: coloured / size });
});
</script>"""


def colours(picture, tmp_path):
    """Size, corner colour, and how much of a PNG has that colour or any: the browser counts."""
    (tmp_path / "count.html").write_text(COUNT % base64.b64encode(picture.read_bytes()).decode())
    shown, console = browse(tmp_path / "count.html", 500, False, "--dump-dom")
    assert console == []
    return json.loads(html.unescape(re.search(r'data-found="(.*?)"', shown)[1]))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian package: chromium)")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (500, True)])
def test_a_browser_shows_it_without_errors(audited, tmp_path, width, dark):
    answer, path = audited
    heads = [row for row in answer["rows"] if row["kind"] == "head"]
    source = (
        path.read_text().replace("<head>", "<head>" + WATCH).replace("</body>", USE + "</body>")
    )
    (tmp_path / "used.html").write_text(source)
    shown, console = browse(tmp_path / "used.html", width, dark, "--dump-dom")
    assert console == []
    found = json.loads(html.unescape(re.search(r'data-found="(.*?)"', shown)[1]))
    assert found["problems"] == []
    bounds = sorted(row["M_apriori"] for row in heads)
    assert found["up"] == bounds
    assert found["down"] == bounds[::-1]
    chosen = heads[found["first"]]
    assert found["title"].startswith(f"Layer {chosen['layer']}, head {chosen['head']}, ")
    assert found["lines"] == 4
    assert found["wide"] <= found["window"]  # only tables scroll sideways
    assert (found["colour"] == "rgb(20, 23, 26)") == dark


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian package: chromium)")
def test_a_script_error_would_be_seen(audited, tmp_path):
    source = audited[1].read_text().replace("<head>", "<head>" + WATCH)
    broken = source.replace("function sortBy", "nothing.here(); function sortBy")
    note = "<script>document.body.dataset.found = window.problems.join();</script></body>"
    (tmp_path / "broken.html").write_text(broken.replace("</body>", note))
    shown, console = browse(tmp_path / "broken.html", 900, False, "--dump-dom")
    assert 'data-found="Uncaught' in shown
    assert "nothing is not defined" in console[0]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian package: chromium)")
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_draws_it(audited, tmp_path, dark):
    """The picture of the window: background, text and the colours of the heat maps."""
    picture = tmp_path / "page.png"
    _, console = browse(audited[1], 900, dark, f"--screenshot={picture}", "--window-size=900,3000")
    assert console == []
    found = colours(picture, tmp_path)
    assert (found["width"], found["height"]) == (900, 3000)
    assert found["back"] == [20, 23, 26] if dark else min(found["back"]) > 240
    assert 0.3 < found["same"] < 0.98  # mostly background, and something on it
    assert found["coloured"] > 0.005  # heat maps, not only text
