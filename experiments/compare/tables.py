"""A comparison as files: tidy tables for a program, and one table for a paper, as Markdown and as LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.compare.comparison import Comparison
from experiments.compare.facts import METRICS, Group
from experiments.compare.naming import quantity
from fl.files import write_atomically

RUNS, ROUNDS, MARKDOWN, LATEX = "compare.csv", "rounds.csv", "table.md", "table.tex"

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write all tables into a folder."""
    texts = {
        RUNS: _csv(runs(comparison)),
        ROUNDS: _csv(rounds(comparison)),
        MARKDOWN: markdown(comparison),
        LATEX: latex(comparison),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in texts]


# --- for programs


def runs(comparison: Comparison) -> list[list[object]]:
    """A line a run: its group, the settings that tell groups apart, its seed, and every quantity of it."""
    names = comparison.quantities
    lines: list[list[object]] = [["group", *comparison.differing, "seed", "folder", *names]]
    for group in comparison.groups:
        for run in group.runs:
            found = [run.quantities.get(name, "") for name in names]
            lines.append([*_about(comparison, group), run.seed, run.folder, *found])
    return lines


def rounds(comparison: Comparison) -> list[list[object]]:
    """A line a round of a run; round 0 is before the first, and costs nothing."""
    lines: list[list[object]] = [
        ["group", *comparison.differing, "seed", "round", *METRICS, "gas", "seconds"]
    ]
    for group in comparison.groups:
        for run in group.runs:
            costs = zip(run.curve, (0, *run.gas), (0.0, *run.seconds), strict=True)
            for number, (metrics, gas, seconds) in enumerate(costs):
                measured = [getattr(metrics, name) for name in METRICS]
                lines.append([*_about(comparison, group), run.seed, number, *measured, gas, seconds])
    return lines


def _about(comparison: Comparison, group: Group) -> list[object]:
    return [group.label, *(_cell(group.settings[key]) for key in comparison.differing)]


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _csv(lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


# --- for people


def markdown(comparison: Comparison) -> str:
    """A line a group: means with half the width of their 95 % intervals."""
    head, *lines = _cells(comparison, "±")
    rows = [head, ["---", "---:", *("---:" for _ in comparison.metrics)], *lines]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def latex(comparison: Comparison) -> str:
    """The same for LaTeX with the package booktabs."""
    head, *lines = [[cell.translate(_ESCAPES) for cell in row] for row in _cells(comparison, "±")]
    body = [f"{' & '.join(row)} \\\\".replace("±", r"$\pm$") for row in (head, *lines)]
    columns = "l" + "r" * (len(head) - 1)
    return "\n".join(
        [
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            body[0],
            "\\midrule",
            *body[1:],
            "\\bottomrule",
            "\\end{tabular}\n",
        ]
    )


def _cells(comparison: Comparison, plus_minus: str) -> list[list[str]]:
    head = ["group", "runs", *(quantity(metric).title for metric in comparison.metrics)]
    return [head, *(_line(comparison, group, plus_minus) for group in comparison.groups)]


def _line(comparison: Comparison, group: Group, plus_minus: str) -> list[str]:
    rows = [(metric, comparison.row(group, metric)) for metric in comparison.metrics]
    found = [quantity(metric).mean(row.mean, plus_minus) if row else "" for metric, row in rows]
    return [group.label, str(len(group.runs)), *found]
