"""The tables of a comparison: tidy ones for programs, one for a paper."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.compare import tables
from experiments.compare.comparison import Comparison
from experiments.results import Results

Make = Callable[..., Results]
Compared = Callable[..., Comparison]
Lines = list[dict[str, str]]


def read(file: Path) -> Lines:
    with file.open() as stream:
        return list(csv.DictReader(stream))


def test_the_tidy_table_has_a_line_a_run_and_a_column_a_setting(
    make: Make, compared: Compared, tmp_path: Path
) -> None:
    runs = [
        make(f"rule.name={rule}", seed=seed, loss=seed / 10) for rule in ("Krum", "FedAvg") for seed in (1, 2)
    ]
    tables.write(compared(*runs), tmp_path)
    lines = read(tmp_path / "compare.csv")
    assert [(line["rule.name"], line["seed"], line["folder"]) for line in lines] == [
        ("Krum", "1", "runs/1"),
        ("Krum", "2", "runs/2"),
        ("FedAvg", "1", "runs/3"),
        ("FedAvg", "2", "runs/4"),
    ]
    assert [float(line["log_loss"]) for line in lines] == [0.1, 0.2, 0.1, 0.2]


def test_a_quantity_that_a_run_lacks_is_an_empty_cell(make: Make, compared: Compared, tmp_path: Path) -> None:
    tables.write(compared(make("rule.name=Krum"), make(shares=((1, 3),), bad=(1,))), tmp_path)
    assert [line["earned_label_flip"] for line in read(tmp_path / "compare.csv")] == ["", "0.5"]


def test_the_table_of_rounds_begins_before_the_first(make: Make, compared: Compared, tmp_path: Path) -> None:
    tables.write(compared(make(loss=0.3)), tmp_path)
    lines = read(tmp_path / "rounds.csv")
    assert [line["round"] for line in lines] == ["0", "1", "2"]
    assert [line["gas"] for line in lines] == ["0", "275000", "275000"]
    assert float(lines[-1]["log_loss"]) == 0.3


def test_a_paper_gets_means_with_half_their_intervals(make: Make, compared: Compared) -> None:
    comparison = compared(make(seed=1, loss=0.1), make(seed=2, loss=0.2))
    assert tables.markdown(comparison).splitlines()[2] == (
        "| hospitals | 2 | 0.1500 ± 0.6353 | 92.50 ± 31.77 | 0.9625 ± 0.1588 |"
    )
    assert r"hospitals & 2 & 0.1500 $\pm$ 0.6353 & 92.50 $\pm$ 31.77 &" in tables.latex(comparison)


def test_the_tables_for_a_paper_escape_what_their_language_would_read(
    make: Make, rows: Path, compared: Compared
) -> None:
    runs = [make(f'data.source="{rows}"', f'data.label="{name}"') for name in ("a_b|c$", "d")]
    comparison = compared(*runs)
    assert r"| label=a_b\|c$ |" in tables.markdown(comparison)
    latex = tables.latex(comparison)
    assert r"label=a\_b|c\$ & 1 & 0.1000 & 95.00 & 0.9750 \\" in latex
    assert latex.startswith("\\begin{tabular}{lrrrr}\n\\toprule\n")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("x & y", r"x \& y"),
        ("50%", r"50\%"),
        ("#1", r"\#1"),
        ("{a}", r"\{a\}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("a\\b", r"a\textbackslash{}b"),
    ],
)
def test_every_sign_that_latex_would_read_is_escaped(
    name: str, written: str, make: Make, rows: Path, compared: Compared
) -> None:
    runs = [make(f'data.source="{rows}"', f"data.label='{label}'") for label in (name, "other")]
    assert f"\nlabel={written} & 1 & " in tables.latex(compared(*runs))
