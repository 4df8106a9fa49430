"""A model, a data set and a partition of somebody's own: one file in the working folder, and `fl run`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from aggregator.record import Record
from experiments.holdings import Holdings
from experiments.results import Results
from fl.cli import main
from fl.code import installed_code
from fl.documents import Model, Terms
from fl.learning import architectures
from fl.wiring import Deployment, open_ledger, open_store

pytestmark = pytest.mark.slow

MODULE = "my_experiment"
CODE = """
    import numpy as np
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, inputs, width, classes):
            super().__init__()
            self.first = nn.Linear(inputs, width)
            self.drop = nn.Dropout(0.3)
            self.second = nn.Linear(width, width)
            self.last = nn.Linear(width, classes)

        def forward(self, x):
            first = torch.relu(self.first(x))
            return self.last(first + self.drop(torch.relu(self.second(first))))

    def residual(settings, inputs, classes):
        return Residual(inputs, settings["width"], classes)

    def other(settings, inputs, classes):
        return nn.Linear(inputs, classes)

    def rows():
        chance = np.random.default_rng(1)
        y = np.arange(240) % 3
        return chance.normal(y[:, None], 1.0, (240, 5)), y

    def halves(y, trainers, chance):
        order = chance.permutation(len(y))
        return np.split(order, [len(y) // 2, 3 * len(y) // 4])
"""
OWN = (
    f"data.partition={MODULE}:halves",
    f"model.name={MODULE}:residual",
    "model.settings={ width = 6 }",
)
SMALL = ("trainers=3", "rounds=2", "training.epochs=1")


def run(out: str, *changes: str) -> int:
    words = [word for change in (*OWN, *SMALL, *changes) for word in ("--set", change)]
    return main(["run", "--data", f"{MODULE}:rows", "--out", out, "--json", *words])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of somebody with a file of their own, and the run that they made with it."""
    folder = tmp_path_factory.mktemp("work")
    (folder / f"{MODULE}.py").write_text(dedent(CODE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(architectures, "BUILDERS", {**architectures.BUILDERS})
        assert run("run") == 0
    del sys.modules[MODULE]
    return folder


@pytest.fixture(autouse=True)
def at_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In that folder, in a process that has not heard of the file yet."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(architectures, "BUILDERS", {**architectures.BUILDERS})
    yield
    sys.modules.pop(MODULE, None)


def terms(folder: Path) -> Terms:
    place = Deployment.read(folder)
    return Record(open_ledger(place), open_store(place.store), place.task).terms()


def test_one_file_gives_rows_partition_and_model(place: Path) -> None:
    rows = Holdings.read(place / "run").rows.sum(axis=1)
    assert rows.tolist() == [66, 33, 33]  # of 240, less a quarter to test and a fifth to score on
    assert Results.read(place / "run").config.name == "my-experiment-rows"
    named = terms(place / "run")
    assert named.model == Model(builder=f"{MODULE}:residual", settings={"width": 6})
    assert [tensor.name for tensor in named.tensors][:2] == ["first.weight", "first.bias"]
    final, first = (getattr(Results.read(place / "run"), name).log_loss for name in ("final", "initial"))
    assert final < first


def test_the_digest_of_the_approved_code_covers_the_models_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(place)
    assert terms(place / "run").code == installed_code("fl.learning", "clients.app", MODULE).hex()


def test_sites_in_processes_of_their_own_build_and_train_it_alike(place: Path) -> None:
    assert run("again", "workers=2") == 0
    assert Results.read(place / "again").facts() == Results.read(place / "run").facts()


def test_who_verifies_names_the_model_again(verify: Callable[..., Any]) -> None:
    found = verify("run", "--model", f"{MODULE}:residual")
    assert (found.code, found.said["unchecked"]) == (0, {})


def test_terms_alone_make_no_verifier_run_somebodys_code(verify: Callable[..., Any]) -> None:
    found = verify("run")
    assert found.code == 0
    unavailable = f"{MODULE}:residual is somebody's own, and is not at hand"
    (text,) = {one["text"] for one in found.said["findings"] if unavailable in one["text"]}
    assert "pass --model module:function" in text
    assert found.said["verdict"] == "verified in part"
    assert MODULE not in sys.modules


def test_another_model_than_the_terms_one_verifies_nothing(verify: Callable[..., Any]) -> None:
    found = verify("run", "--model", f"{MODULE}:other")
    assert any("other tensors than the terms list" in one["text"] for one in found.said["findings"])
    assert found.said["unchecked"]


def test_a_run_goes_on_where_the_file_is_and_says_what_is_missing_elsewhere(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Results.read(place / "run").facts()
    assert main(["run", "--resume", "run", "--json"]) == 0
    assert Results.read(place / "run").facts() == before
    capsys.readouterr()
    sys.modules.pop(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(place)])
    assert main(["run", "--resume", str(place / "run")]) == 2
    assert f"{MODULE} cannot be imported" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("model.name=nowhere:model", "nowhere cannot be imported"),
        ("model.settings={}", "cannot be built: KeyError"),
        ("data.source=nowhere:rows", "nowhere cannot be imported"),
        ("data.partition=nowhere:halves", "nowhere cannot be imported"),
        ("trainers=2", "returns 3 parts for 2 trainers"),
    ],
)
def test_what_is_wrong_with_ones_own_is_said_before_anything_is_written(
    place: Path, change: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("wrong", change) == 2
    assert sentence in capsys.readouterr().err
    assert not (place / "wrong").exists()


FAILING = """
    from torch import nn

    class Late(nn.Linear):
        def forward(self, x):
            if self.training and len(x) > 4:
                raise ValueError("oops")
            return super().forward(x)

    def late(settings, inputs, classes):
        return Late(inputs, classes)

    def slip(turn):
        return turn.bas

    def nothing(turn):
        pass
"""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("model.name=my_slip:late", "workers=2"),
            "The model my_slip:late failed: ValueError: oops (my_slip.py:7).",
        ),
        (
            ("misbehaviour.1=my_slip:slip",),
            "The misbehaviour my_slip:slip failed: "
            "AttributeError: 'Turn' object has no attribute 'bas' (my_slip.py:14).",
        ),
        (
            ("misbehaviour.1=my_slip:nothing",),
            "The misbehaviour my_slip:nothing returned NoneType, and arrays by name are needed.",
        ),
    ],
    ids=["model", "misbehaviour", "misbehaviour without arrays"],
)
def test_code_of_ones_own_that_fails_stops_the_run_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    change: tuple[str, ...],
    sentence: str,
) -> None:
    """In a study its trainer would pass for one that never came."""
    (tmp_path / "my_slip.py").write_text(dedent(FAILING))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    words = [word for setting in (*SMALL, *change) for word in ("--set", setting)]
    assert main(["run", "hospitals", "--out", "slip", *words]) == 1
    _, stopped, hint = capfd.readouterr().err.splitlines()
    sys.modules.pop("my_slip", None)
    assert stopped == f"error: hospital-1 cannot go on. {sentence}"
    assert "begin another run" in hint
