"""A comparison as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group as Together
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from experiments.compare.comparison import Comparison, Row
from experiments.compare.facts import EARNED, Group
from experiments.compare.naming import quantity
from fl.output import safe, table

_COST_AND_REWARDS = ("gas", "seconds", "reward_error")
_MEANING = (
    "± is half of the 95 % interval of the mean over runs (Student's t). Distance from exact: between a "
    "trainer's part of all rewards and its part by exact Shapley values, on average."
)


def report(comparison: Comparison) -> RenderableType:
    """All tables, in the order in which they are read."""
    found = [_means("Final model on the test rows", comparison, comparison.metrics)]
    if comparison.others:
        found.append(differences_table(comparison))
    found.append(_means("Cost and rewards", comparison, _COST_AND_REWARDS))
    if earned := [name for name in comparison.quantities if name.startswith(EARNED)]:
        found.append(_means("Earned on average (1 is an equal share)", comparison, earned))
    return Together(*found, *(Text.from_markup(note) for note in notes(comparison)))


def _means(title: str, comparison: Comparison, names: Sequence[str]) -> Table:
    made = table(title, ["group"], ["runs", *(quantity(name).title for name in names)])
    for group in comparison.groups:
        rows = [comparison.row(group, name) for name in names]
        made.add_row(safe(group.label), str(len(group.runs)), *(_mean(row) for row in rows))
    return made


def _mean(row: Row | None) -> str:
    return quantity(row.quantity).mean(row.mean) if row else "–"


def differences_table(comparison: Comparison) -> Table:
    """Each group against the reference; bold where the interval leaves out zero."""
    bases = [comparison.basis(group) for group in comparison.others]
    alike = len(set(bases)) == 1
    how = f" (95 % interval, {bases[0]})" if alike else ""
    made = table(
        f"Differences from {safe(comparison.against)}{how}",
        ["group"] if alike else ["group", "95 % interval"],
        [quantity(name).title for name in comparison.metrics],
    )
    for group, basis in zip(comparison.others, bases, strict=True):
        rows = [comparison.row(group, name) for name in comparison.metrics]
        made.add_row(safe(group.label), *([] if alike else [basis]), *(_difference(row) for row in rows))
    return made


def _difference(row: Row | None) -> Text:
    if row is None or row.difference is None:
        return Text("–")
    found = row.difference
    clear = found.low is not None and found.high is not None and not found.low <= 0 <= found.high
    return Text(quantity(row.quantity).difference(found), "bold" if clear else "")


# --- what else has to be said


def notes(comparison: Comparison) -> Iterator[str]:
    """What the numbers mean, and what is not as it should be."""
    yield _MEANING
    said: dict[str, list[str]] = {}
    for group in comparison.groups:
        for sentence in _remarks(group):
            said.setdefault(sentence, []).append(safe(group.label))
    yield from (f"[yellow]{sentence}[/] {'; '.join(labels)}" for sentence, labels in said.items())
    if comparison.unfinished:
        names = ", ".join(map(safe, comparison.unfinished))
        yield f"[yellow]Left out, because not finished:[/] {names}"
    if comparison.repeated:
        names = ", ".join(f"{safe(one)} (as {safe(first)})" for one, first in comparison.repeated.items())
        yield f"[yellow]Left out, because of equal settings and seed with another:[/] {names}"


def _remarks(group: Group) -> Iterator[str]:
    count = len(group.runs)
    if count == 1:
        yield "One run only, so no interval; run it with other seeds too:"
    if idle := sum(not run.closed for run in group.runs):
        yield f"No round closed in {idle} of {count} runs:"
    for why in dict.fromkeys(run.inexact for run in group.runs if run.inexact):
        yield f"Exact Shapley values are not known ({safe(why).rstrip('.')}):"
