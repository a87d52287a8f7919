"""What every verb prints with --json is what its shipped JSON Schema says."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varnum.cli import VERBS, main
from varnum.cli.envelope import schema_path

jsonschema = pytest.importorskip("jsonschema")

SCHEMAS = sorted(schema_path("varnum/bound/2").parent.glob("*.json"))


def example(verb: str) -> str:
    """The first example in the help of a verb, without `varnum`."""
    said = getattr(import_module(f"varnum.cli.{verb}"), verb).__doc__ or ""
    return " ".join(said.split("Example: varnum ")[1].partition("\n\n")[0].split(";")[0].split())


COMMANDS = {
    "bound --model var-d16 --eps 1e-2 --solve M": "bound",
    "bound --model flowar-h --M 1 --eps 1e-2": "bound-flowar",
    "bound --model flowar-l --model-error 1e-2 --lipschitz 1 --gain 1/2": "bound-flowar-error",
    "bound --W 4 --eps 1/1000 --error additive": "bound",
    "bound --R 1 --d 4 --sigma sqrt --output-error 1e-2 --n 8 --solve d": "bound",
    "bound --M 300 --eps 1e-2 --max-degree 9 --d 4": "bound",
    "bound --model-error 1e-2 --norms 1,1,1 --R 1 --d 8 --sigma d --scales 2": "bound-model-error",
    "check c.json": "check",
    "check false.json": "check",
    "check poly.json": "check-polynomial",
    "verify --claim softmax-logit": "verify",
    "verify --claim affine --no-checks": "verify",
    "run --random var-tiny --labels 1 --attention lowrank": "run",
    "run --random var-tiny-plain --labels 1 --backend balls": "run",
    "run --random flowar-tiny --labels 1 --num-steps 2 --backend balls": "run",
    "run --random var-tiny --labels 1 --backend balls --digits 4000 --max-bits 64": "run",
    "error --random var-tiny --labels 3 --samples 16": "error",
    "check error.json --random var-tiny --inputs tokens.npy": "check-error",
    "error --random var-tiny --prompts 2 --samples 16 --confidence 1/10": "error-over",
    "error --random var-tiny --labels 3 --kernel-error 1e-5": "error",
    "error --random flowar-tiny --labels 3 --num-steps 2 --samples 16": "error-flowar",
    "attention --q q.npy --k k.npy --v v.npy --eps 1e-2": "attention",
    "attention --q q.npy --k k.npy --v v.npy --output-error 1e-15 --no-bounds": "attention",
    "attention --q q.npy --k k.npy --v v.npy --output-error 1e-1 --rows 9 --no-bounds": "attention",
    "attention --q q.npy --k k.npy --v v.npy --against v.npy --output-error 1e-2": (
        "attention-sampled"
    ),
    "attention --q q.npy --k k.npy --v v.npy --triage": "attention-triage",
    "check attention.json --inputs q.npy,k.npy,v.npy --output o.npy": "check-attention",
    "check attention.json --inputs q.npy,k.npy,v.npy --output v.npy": "check-attention",
    "audit --random var-tiny --output-error 1e-1": "audit",
    "audit --arrays heads.npz --output-error 1e-1": "audit",
    "audit --random flowar-tiny --heads 1 --num-steps 2 --evaluations 1": "audit",
    "hardness sat f.cnf": "hardness-sat",
    "hardness sat f.cnf --via hamming": "hardness-sat",
    "hardness closest words.txt": "hardness-closest",
    "hardness wrap f.cnf": "hardness-wrap",
    "hardness wrap f.cnf --model flowar": "hardness-wrap",
    "kv --model var-d16 --rank 100": "kv",
    "kv --rows 12": "kv",
    "kv --rows 424 --sparsity 8": "kv-sparsity",
    "kv --model all --sparsity 8": "kv-sparsity-all",
    "kv --demo --total 1000": "kv-demo",
    "kv --evict heads.npz --merge 4 --keep 0.3": "kv-evict",
    "regime --b 1": "regime",
    "regime --p 1/2": "regime",
    "regime --model var-d16": "regime-model",
    "series s.csv --window 3 --skip": "series",
    "loop --cubic --d 10 --e 0.1 --beta 0.05 --exit 1e-3": "loop",
    "loop --cubic --d 2 --e 0.2 --beta 0.1": "loop",
    "loop net.npz --count": "loop",
    "loop net.npz --starts 4": "loop",
    "loop net.npz --count --activation cubic --box -1,2": "loop",
    "poly --degree 3 --format bfloat16 --interval=-1/2,1/2": "poly",
    "poly --function exp --degree 2 --format float32 --interval=-1,1 --eps 1e-9": "poly",
    "poly --interval -1/2,1/2 --degree 3": "poly",
    "poly --reduce --format bfloat16 --eps 1e-4": "poly",
    "circuit add --count 2 --bits 2 --run": "circuit",
    "circuit generate --sides 1,2": "circuit",
    "circuit exp --bits 2 --run --inputs 3": "circuit",
    "circuit --model var-tiny": "circuit-model",
    "circuit --model flowar-tiny": "circuit-model",
    "circuit --model paper --bits 40": "circuit-model",
    "check circuit.json": "check",
    "precision --random var-tiny --labels 3 --bits 8,24 --no-enclosure": "precision",
    "plot rank": "plot-rank",
    "plot error --degrees 3": "plot-error",
    "plot cost": "plot-cost",
    "plot budget --random var-tiny-plain": "plot-budget",
    "plot phase": "plot-phase",
    "doctor": "doctor",
}
# a verb without a line above: the example of its help, its own schema
COMMANDS |= {
    shown: verb
    for verb in VERBS
    if verb not in {"certify"} | {command.split()[0] for command in COMMANDS}
    for shown in [example(verb)]
}
ELSEWHERE = {"plot-degree", "plot-tightness"}  # slow: their own tests run them


@pytest.fixture(autouse=True, scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from varnum import checker
    from varnum._attention import attention
    from varnum._plan import plan
    from varnum.approx.ship.evaluation_certificate import certificate
    from varnum.approx.ship.formats import FORMATS
    from varnum.approx.ship.goal import Goal
    from varnum.approx.ship.kernel import certify_kernel
    from varnum.circuit import parts
    from varnum.circuit.file import circuit_file
    from varnum.model.config import preset
    from varnum.model.random_weights import random_model
    from varnum.propagate.ensemble.error import error_of
    from varnum.propagate.ensemble.record import record_of
    from varnum.verdict import Unknown

    folder = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(0)
    for name in "qkv":
        np.save(folder / name, random.standard_normal((60, 4)) / 4)
    made = attention(*(np.load(folder / f"{n}.npy") for n in "qkv"), eps="1e-2", portable=True)
    (folder / "attention.json").write_text(made.portable())
    np.save(folder / "o.npy", made.output)
    np.savez(folder / "heads.npz", **{n: random.standard_normal((20, 4)) for n in "qkv"})
    np.savez(folder / "net.npz", W=[[2.0, 0.1], [0.0, 1.0]], b=[0.1, 0.0])
    (folder / "f.cnf").write_text("p cnf 3 3\n1 -2 0\n2 3 -1 0\n-3 0\n")
    (folder / "words.txt").write_text("0110\n1010\n\n1111\n0011\n")
    (folder / "s.csv").write_text("x\n" + "\n".join(map(str, range(1, 20))) + "\n")
    text = plan("1", eps="1e-1").certify()
    (folder / "c.json").write_text(text)
    (folder / "false.json").write_bytes(checker.serialise(json.loads(text) | {"eps": "0.0001"}))
    part = parts.add(2, 1)
    (folder / "circuit.json").write_bytes(circuit_file(part, part.build()))
    kernel = certify_kernel(Goal("exp2", Fraction(0), Fraction(1)), FORMATS["float32"], 3)
    assert not isinstance(kernel, Unknown)
    (folder / "poly.json").write_text(certificate(kernel))
    model = random_model(*preset("var-tiny"), 0)
    tokens = random.integers(0, model.var.vocab_size, (1, model.var.length))
    np.save(folder / "tokens.npy", tokens)
    error = record_of(model, [0], tokens, None, error_of(model, [0], tokens, samples=16))
    (folder / "error.json").write_text(json.dumps(error))
    return folder


def document(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], int]:
    """What `varnum COMMAND --json` prints, and its exit code."""
    sys.argv = ["varnum", *command.split(), "--json"]
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert said.out, said.err
    return json.loads(said.out), int(stop.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_output_fits_its_schema(
    command: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setattr(sys, "argv", sys.argv)
    found, code = document(command, capsys)
    schema = json.loads(schema_path(found["schema"]).read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    assert (found["schema"], found["exit_code"]) == (schema["title"], code)
    assert found["schema"].split("/")[1] == COMMANDS[command]


def test_every_schema_and_every_verb_is_tried() -> None:
    verbs = {command.split()[0] for command in COMMANDS}
    assert set(VERBS) - {"certify"} <= verbs | ELSEWHERE, "add a command of the new verb"
    names = {path.stem for path in SCHEMAS}
    assert names == {*COMMANDS.values()} | ELSEWHERE


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_every_field_is_described(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert list(schema["properties"])[:5] == [
        "schema", "version", "verdict", "assurance", "exit_code",
    ]  # fmt: skip
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        for name, field in part.get("properties", {}).items():
            assert field.get("description"), name
            waiting.append(field)
        waiting += [part[key] for key in ("items", "additionalProperties") if part.get(key)]
