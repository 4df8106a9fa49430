"""`fl verify`, `fl rounds` and `fl rewards`: what anyone can see and check of a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from eth_account.signers.local import LocalAccount
from rich.progress import Progress

from aggregator import rules, statements, utilities
from aggregator.own import load
from aggregator.record import Record
from aggregator.statements import PaymentLine
from aggregator.types import Rule
from aggregator.verifying import claims
from aggregator.verifying.conclusion import conclude, verdict
from aggregator.verifying.findings import Finding, Level, mismatches
from aggregator.verifying.redecision import MakeRule
from aggregator.verifying.replay import Tools, verify
from fl import output, wiring
from fl.commands import DefaultGroup
from fl.documents import Terms
from fl.errors import DocumentError, StoreError, UsageError
from fl.ledger.accounts import read_key
from fl.ledger.types import Address
from fl.money import tokens

Folder = Annotated[Path | None, typer.Argument()]
Rpc = Annotated[str | None, typer.Option("--rpc", help="A node's address, or an embedded chain's file.")]
Contract = Annotated[str | None, typer.Option("--contract", help="The federation's address.")]
Task = Annotated[int | None, typer.Option("--task", help="The task's number.")]
Store = Annotated[str | None, typer.Option("--store", help="An IPFS node's API, or an embedded store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

_MARKS = {
    Level.OK: "[green]ok[/]",
    Level.NOTE: "[cyan]note[/]",
    Level.UNCHECKED: "[yellow]not checked[/]",
    Level.MISMATCH: "[bold red]MISMATCH[/]",
}


def verify_command(
    folder: Folder = None,
    rpc: Rpc = None,
    contract: Contract = None,
    task: Task = None,
    store: Store = None,
    strategy: Annotated[
        str | None,
        typer.Option("--strategy", metavar="MODULE:ATTR", help="The rule, where it is somebody's own class."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODULE:FUNCTION", help="The model, where it is somebody's own."),
    ] = None,
    json: Json = False,
) -> int:
    """Replay every round from the chain and the store, and say what is right and what is not.

    FOLDER is the folder of a run; without one, give --rpc, --contract, --task and --store. Ends with 0 when
    everything that can be checked is right, with 1 on any mismatch.
    """
    place = wiring.deployment(folder, rpc, contract, task, store)
    record = _record(place)
    make_rule = _rule_maker(record, strategy)
    if model is not None:
        _name_model(record, model)
    screen = output.console(stderr=True)
    with Progress(console=screen, transient=True, disable=json or not screen.is_terminal) as progress:
        bar = progress.add_task("Replaying rounds", total=None)
        tools = Tools(
            make_rule,
            utilities.build,
            lambda done, total: progress.update(bar, completed=done, total=total),
            lambda terms: rules.loose(terms.rule),
        )
        findings = verify(record, tools) + (claims.check(folder, record) if folder else ())
    if json:
        output.print_json(_verification(place, record, findings))
    else:
        _print_verification(place, record, findings)
    return 1 if mismatches(findings) else 0


def rounds_command(
    folder: Folder = None,
    rpc: Rpc = None,
    contract: Contract = None,
    task: Task = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show tasks, their rounds, and the verdict on every update.

    FOLDER is the folder of a run; without one, give --rpc, --contract, --task and --store.
    """
    place = wiring.deployment(folder, rpc, contract, task, store)
    record = _record(place)
    tasks, rounds = statements.tasks(record), statements.rounds(record)
    if json:
        output.print_json(
            {"tasks": [asdict(one) for one in tasks], "rounds": [asdict(one) for one in rounds]}
        )
        return
    _print_tasks(tasks)
    _print_rounds(rounds)
    _print_submissions(rounds)


rewards_app = typer.Typer(
    help="Show what each round paid and why, reputation over time, and balances; withdraw them. "
    "`fl rewards FOLDER` means `fl rewards show FOLDER`.",
    cls=DefaultGroup,
    add_completion=False,
)


@rewards_app.command("show")
def rewards_command(
    folder: Folder = None,
    rpc: Rpc = None,
    contract: Contract = None,
    task: Task = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show what each round paid and why, reputation over time, and balances.

    FOLDER is the folder of a run; without one, give --rpc, --contract, --task and --store.
    """
    record = _record(wiring.deployment(folder, rpc, contract, task, store))
    statement = statements.rewards(record)
    if json:
        output.print_json(asdict(statement))
        return
    _print_payments(statement)
    _print_reputations(statement)
    _print_balances(statement)


@rewards_app.command("withdraw")
def withdraw_command(
    folder: Folder = None,
    member: Annotated[
        str | None, typer.Option("--member", help="Address or name; everybody with a balance if left out.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Key file of whoever sends it; only the payee is paid.")
    ] = None,
    rpc: Rpc = None,
    contract: Contract = None,
    task: Task = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Send balances to their payees. Anyone may send it, and only the payee receives.

    FOLDER is the folder of a run, whose owner sends it; without one, give --rpc, --contract, --task, --store
    and --key.
    """
    place = wiring.deployment(folder, rpc, contract, task, store)
    file = key or (folder and folder / "keys" / "owner.key")
    if file is None:
        raise UsageError("Missing: --key.", "Any funded account of the chain may send a withdrawal.")
    record = _record(place, read_key(file))
    paid = statements.withdraw(record, member)
    if json:
        output.print_json([asdict(one) for one in paid])
        return
    table = output.table("Withdrawn", ("member", "payee"), ("amount",))
    for one in paid:
        table.add_row(output.safe(one.name), one.payee, tokens(one.amount))
    output.console().print(table)


def _record(place: wiring.Deployment, sender: LocalAccount | None = None) -> Record:
    """A task to read, by confirmed blocks; with a `sender`, one whose ledger may be called."""
    # who withdraws twice loses nothing: being mined is enough
    ledger = wiring.open_ledger(place, sender, 1) if sender else wiring.open_ledger(place).confirmed()
    store = wiring.open_store(place.store)
    tasks = ledger.task_count()
    if not 1 <= place.task <= tasks:
        raise UsageError(f"There is no task {place.task}.", f"This contract has {tasks}, counted from 1.")
    return Record(ledger, store, place.task)


# --- verify


def _rule_maker(record: Record, strategy: str | None) -> MakeRule:
    """What builds the terms' rule, with a strategy of one's own if one is named: it must be the terms'."""
    own = None if strategy is None else load(strategy)

    def make_rule(terms: Terms) -> Rule:
        return rules.build(terms.rule, own)

    if own:
        with suppress(StoreError, DocumentError):  # terms that are lost are named by the verification
            make_rule(record.terms())
    return make_rule


def _name_model(record: Record, name: str) -> None:
    """Have somebody's own model at hand under the name that the terms give it."""
    from fl.learning import models  # noqa: PLC0415 - brings torch, which only this and utilities need

    with suppress(StoreError, DocumentError):  # as above
        named = record.terms().model
        if named is None:
            raise UsageError("The terms of this task name no model.", "Leave --model out.")
        models.name_own(name, named.builder)


def _counts(findings: tuple[Finding, ...]) -> dict[str, int]:
    counted = Counter(finding.level for finding in findings)
    return {level.value: counted[level] for level in Level}


def _verification(place: wiring.Deployment, record: Record, findings: tuple[Finding, ...]) -> dict[str, Any]:
    found = conclude(findings, record.history)
    return {
        "deployment": asdict(place),
        "chain_id": record.ledger.chain_id,
        "rounds": len(record.rounds),
        "replayed": _ended(record),
        "verdict": verdict(findings),
        "verified": not mismatches(findings),
        "counts": _counts(findings),
        "checked": found.checked,
        "unchecked": found.unchecked,
        "voided": found.voided,
        "failed_in_spite_of_a_quorum": found.failed,
        "unproven_refusals": found.unproven,
        "findings": [asdict(finding) for finding in findings],
    }


def _ended(record: Record) -> int:
    return sum(round_.ended for round_ in record.rounds)


def _print_verification(place: wiring.Deployment, record: Record, findings: tuple[Finding, ...]) -> None:
    console = output.console()
    table = output.table(f"Task {place.task} of {place.contract}", ("round", "about", "", "found"), ())
    for finding in findings:
        where = "" if finding.round is None else str(finding.round)
        table.add_row(where, finding.subject, _MARKS[finding.level], output.safe(finding.text))
    console.print(table)
    wrong, found = len(mismatches(findings)), conclude(findings, record.history)
    said, ended = verdict(findings), _ended(record)
    still_open = f", {len(record.rounds) - ended} still open" if ended < len(record.rounds) else ""
    console.print(
        f"[bold {_COLORS[said]}]{said.upper()}[/]  "
        f"{_number(ended, 'round')} replayed{still_open}: {_number(wrong, 'mismatch', 'mismatches')}, "
        f"{sum(found.unchecked.values())} not checked.\n"
        f"{_number(found.voided, 'round')} voided, {found.failed} failed in spite of a quorum."
    )
    for aggregator, count in found.unproven.items():
        refusals = f"{_number(count, 'refusal')} for cause"
        console.print(f"[yellow]Unproven:[/] {refusals}, in rounds that {aggregator} closed.")
    if found.unchecked:
        kinds = (f"{output.safe(kind)} ({count})" for kind, count in found.unchecked.items())
        console.print(f"[yellow]Not all checked:[/] {', '.join(kinds)}; the table says why.")
    if not wrong:
        console.print(f"Checked: all {', '.join(found.checked)}.", style="dim")
        console.print(_BEYOND, style="dim")


_COLORS = {"verified": "green", "verified in part": "yellow", "not verified": "red"}
_BEYOND = "Nobody can check this way that data were honest, or that the approved code really ran."


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


# --- rounds


def _print_tasks(tasks: list[statements.TaskLine]) -> None:
    table = output.table("Tasks", ("task", "state"), ("rounds", "seats", "quorum", "reward a round", "pool"))
    for one in tasks:
        money = (tokens(one.reward), tokens(one.pool))
        table.add_row(str(one.task), one.state, str(one.rounds), str(one.seats), str(one.quorum), *money)
    output.console().print(table)


def _print_rounds(rounds: list[statements.RoundLine]) -> None:
    numbers = ("submitted", "accepted", "refused", "paid", "gas")
    table = output.table("Rounds", ("round", "state", "weights"), numbers)
    for one in rounds:
        qualities = [
            line.quality for line in one.submissions
        ]  # the chain has them, a store may lose verdicts
        told = one.state if not one.reason else f"{one.state}: {output.safe(one.reason)}"
        refused = sum(quality not in ("full", "") for quality in qualities)
        counts = (len(qualities), qualities.count("full"), refused)
        paid = "" if one.paid is None else tokens(one.paid)
        table.add_row(str(one.round), told, one.weights[:12], *map(str, counts), paid, f"{one.gas:,}")
    output.console().print(table)


def _print_submissions(rounds: list[statements.RoundLine]) -> None:
    table = output.table(
        "Updates", ("round", "trainer", "verdict"), ("examples", "share %", "quality", "gas")
    )
    for one in rounds:
        for line in one.submissions:
            accepted = line.quality == "full"
            verdict = line.verdict if accepted else f"[red]{line.verdict}[/]"
            examples = "" if line.examples is None else str(line.examples)
            share = f"{100 * line.share:.2f}" if accepted else ""
            name = output.safe(line.name)
            table.add_row(str(one.round), name, verdict, examples, share, line.quality, f"{line.gas:,}")
    output.console().print(table)


# --- rewards


def _print_payments(statement: statements.Rewards) -> None:
    _print_by_member("What each round paid, and why", statement, _payment)
    output.console().print(f"{statement.why[:1].upper()}{statement.why[1:]}.\n", style="dim")


def _print_by_member(title: str, statement: statements.Rewards, show: Callable[[PaymentLine], str]) -> None:
    """A line a round and a column a member."""
    columns = [_column(statement, member, show) for member in statement.names]
    table = output.table(title, ("round",), [column[0] for column in columns])
    for number, payment in enumerate(statement.rounds, 1):
        table.add_row(str(payment.round), *(column[number] for column in columns))
    output.console().print(table)


def _column(statement: statements.Rewards, member: Address, show: Callable[[PaymentLine], str]) -> list[str]:
    """A member's name, and a cell for each round."""
    lines = (payment.lines.get(member) for payment in statement.rounds)
    return [output.safe(statement.names[member]), *("" if line is None else show(line) for line in lines)]


def _payment(line: PaymentLine) -> str:
    if line.verdict not in ("accepted", ""):
        return f"[red]{line.verdict}[/]"
    amount = "pending" if line.amount is None else tokens(line.amount)
    return f"{amount} ({100 * line.share:.1f}%)"


def _print_reputations(statement: statements.Rewards) -> None:
    def reputation(line: PaymentLine) -> str:
        return "" if line.reputation is None else f"{line.reputation:,}"

    _print_by_member("Reputation after each round (0 to 10,000)", statement, reputation)


def _print_balances(statement: statements.Rewards) -> None:
    table = output.table("Balances", ("member",), ("earned", "withdrawn", "balance", "reputation"))
    addresses = output.table("Addresses", ("member", "address"), ())
    for account in statement.accounts:
        name, money = output.safe(account.name), (account.earned, account.withdrawn, account.balance)
        table.add_row(name, *map(tokens, money), f"{account.reputation:,}")
        addresses.add_row(name, account.member)
    output.console().print(table, addresses)
