"""The presets through the real path, for a round on few rows; those that wait for data, on made-up ones."""

from pathlib import Path

import numpy as np
import pytest

from experiments.results import Results
from fl.cli import main

pytestmark = pytest.mark.slow

CREDIT = (
    "LIMIT_BAL,SEX,EDUCATION,MARRIAGE,AGE,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,PAY_6,"
    "BILL_AMT1,BILL_AMT2,BILL_AMT3,BILL_AMT4,BILL_AMT5,BILL_AMT6,"
    "PAY_AMT1,PAY_AMT2,PAY_AMT3,PAY_AMT4,PAY_AMT5,PAY_AMT6,default"
)
"""The columns of UCI data set 350."""


def run(folder: Path, *words: str) -> Results:
    assert main(["run", *words, "--rounds", "1", "--out", str(folder / "run"), "--json"]) == 0
    assert main(["verify", str(folder / "run")]) == 0
    assert (folder / "run/partition.png").is_file()
    return Results.read(folder / "run")


def credit_rows(file: Path, rows: int = 300) -> None:
    """As odd as the real ones: undocumented codes, status from -2 to 8, negative bills."""
    chance = np.random.default_rng(1)
    codes = [chance.integers(*bounds, rows) for bounds in ((1, 3), (0, 7), (0, 4), (21, 75))]
    status = list(chance.integers(-2, 9, (6, rows)))
    money = [10_000 * chance.integers(1, 80, rows), *chance.integers(-9_000, 500_000, (12, rows))]
    cells = np.stack([money[0], *codes, *status, *money[1:], (status[0] > 2).astype(int)], axis=1)
    np.savetxt(file, cells, fmt="%d", delimiter=",", header=CREDIT, comments="")


def test_digits_are_read_by_a_small_cnn(tmp_path: Path) -> None:
    results = run(tmp_path, "digits", "--trainers", "3", "--set", "training.epochs=1")
    assert results.config.model.name == "cnn"
    assert results.final.log_loss < results.initial.log_loss


def test_credit_takes_the_file_as_it_is_published(tmp_path: Path) -> None:
    credit_rows(tmp_path / "clients.csv")
    results = run(tmp_path, "credit", "--data", str(tmp_path / "clients.csv"), "--set", "data.alpha=50.0")
    assert (results.config.name, len(results.contributors)) == ("credit", 5)
    assert results.final.log_loss < results.initial.log_loss


def test_mnist_trains_on_one_part_and_reports_on_the_other(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    for part, rows in (("train", 200), ("test", 30)):
        x = chance.integers(0, 256, (rows, 28, 28)).astype(np.uint8)
        np.savez_compressed(tmp_path / f"mnist_{part}.npz", x=x, y=(np.arange(rows) % 10).astype(np.uint8))
    small = ("--trainers", "20", "--set", "training.epochs=1")
    results = run(tmp_path, "mnist", "--data", str(tmp_path), *small)
    assert results.config.name == "mnist"
    assert [line.examples for line in results.contributors] == [10] * 20
    assert len(results.rounds[0].accepted) == 2
    assert results.final.accuracy * 30 == pytest.approx(round(results.final.accuracy * 30))
