"""A run's results as tables for a terminal."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.results import Metrics, Results, Round, Seconds
from fl.money import tokens
from fl.output import safe, table


def report(results: Results) -> RenderableType:
    """All tables, in the order in which they are read."""
    misbehaved = [misbehaviour_table(results)] if results.config.misbehaving else []
    return Group(rounds_table(results), contributors_table(results), *misbehaved, baselines_table(results))


def rounds_table(results: Results) -> Table:
    """One line a round: what became of it, the model after it, its gas, and where its seconds went."""
    made = table(
        "Rounds (metrics on the test rows; times in seconds)",
        ["#", "outcome"],
        ["valid", "log loss", "accuracy", "gas", "train", "chain", "store", "score"],
    )
    for ended, seconds in zip(results.rounds, results.timing.rounds, strict=True):
        made.add_row(*_round_cells(ended, seconds))
    made.show_footer = True
    made.columns[1].footer = "all"
    made.columns[5].footer = f"{sum(ended.gas.total for ended in results.rounds):,}"
    for column, part in zip(made.columns[6:], _PARTS, strict=True):
        column.footer = f"{sum(getattr(seconds, part) for seconds in results.timing.rounds):.1f}"
    made.caption, made.caption_justify = _refusals(results), "left"
    return made


_PARTS = ("train", "chain", "store", "score")


def _round_cells(ended: Round, seconds: Seconds) -> list[str]:
    return [
        str(ended.round),
        safe(ended.outcome),
        f"{len(ended.accepted)}/{len(ended.accepted) + len(ended.refused)}",
        f"{ended.metrics.log_loss:.4f}",
        f"{ended.metrics.accuracy:.1%}",
        f"{ended.gas.total:,}",
        *(f"{getattr(seconds, part):.2f}" for part in _PARTS),
    ]


def _refusals(results: Results) -> str | None:
    lines = [
        f"round {ended.round}: {safe(refusal.trainer)} refused, {safe(refusal.verdict)}"
        for ended in results.rounds
        for refusal in ended.refused
    ]
    return "\n".join(lines) or None


def _metric_cells(metrics: Metrics) -> list[str]:
    return [f"{metrics.log_loss:.4f}", f"{metrics.accuracy:.1%}", f"{metrics.auc:.4f}"]


def contributors_table(results: Results) -> Table:
    """One line a trainer: what it brought, how it was rated, what it got."""
    made = table(
        "Contributors (earnings in tokens)",
        ["trainer"],
        ["examples", "share", "quality", "reputation", "earned", "equal shares"],
    )
    for contributor in results.contributors:
        never_came = not results.updates_of(contributor.name)
        made.add_row(
            safe(contributor.name),
            f"{contributor.examples:,}",
            f"{contributor.share:.1%}",
            "–" if never_came else f"{contributor.quality:.0%}",
            f"{contributor.reputation:,}",
            tokens(contributor.earned),
            _equal_shares(contributor.equal_shares),
            style="red" if contributor.misbehaviour else "",
        )
    return made


def _equal_shares(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def misbehaviour_table(results: Results) -> Table:
    """One line for each trainer that misbehaved: what became of its updates, and what it earned."""
    made = table(
        "Misbehaviour, and what it earned in equal shares",
        ["trainer", "did", "its updates"],
        ["equal shares"],
    )
    for one in results.contributors:
        if one.misbehaviour:
            fates = Counter(results.updates_of(one.name))
            became = ", ".join(f"{count} {safe(fate)}" for fate, count in fates.items()) or "none came"
            made.add_row(safe(one.name), safe(one.misbehaviour), became, _equal_shares(one.equal_shares))
    honest = results.equal_shares_by_kind().get(None)
    made.add_row("honest trainers, on average", "", "", _equal_shares(honest), style="bold green")
    return made


def baselines_table(results: Results) -> Table:
    """The federated model between what each trainer gets alone and what all rows in one place would give."""
    made = table("What it was worth (on the test rows)", ["model"], ["log loss", "accuracy", "AUC"])
    baselines = results.baselines
    for alone in baselines.alone if baselines else ():
        made.add_row(f"{safe(alone.trainer)} alone", *_metric_cells(alone.metrics), style="dim")
    if baselines:
        made.add_row("alone, on average", *_metric_cells(baselines.mean_alone))
    made.add_row(Text("together, federated", "bold green"), *_metric_cells(results.final), style="bold green")
    if baselines:
        made.add_row("all rows in one place", *_metric_cells(baselines.pooled))
    else:
        made.caption, made.caption_justify = "No baselines were trained (baselines = false).", "left"
    return made
