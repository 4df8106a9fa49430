"""`fl site`: what an institution does about a task: read its terms, join, look, leave."""

from __future__ import annotations

import hmac
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from clients import node
from clients.node import Config
from clients.site import policy_digest
from fl import explaining, members, output, tasks
from fl.documents import Terms
from fl.errors import UsageError
from fl.ledger.port import Ledger
from fl.ledger.types import Address
from fl.money import tokens
from fl.store.port import read_document

SiteFile = Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site's file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

site_app = typer.Typer(
    help="Read a task's terms at a site, join it, leave it, and see how the site stands. SITE.toml is the "
    "file that the site's Flower node is started with; `fl task create --out` writes a template.",
    add_completion=False,
    no_args_is_help=True,
)


@site_app.command("terms")
def terms_command(file: SiteFile, json: Json = False) -> None:
    """Say in words what the institution consents to by joining. Needs no key."""
    config = _read(file)
    terms = _terms(config, node.ledger(config).confirmed())
    if json:
        output.print_json(terms.model_dump(mode="json"))
    else:
        explaining.show(terms)


@site_app.command("join")
def join_command(
    file: SiteFile,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="The institution's own policy; a salted digest goes on the chain."),
    ] = None,
    app: Annotated[
        Path | None, typer.Option("--app", help="The Flower app's folder, if it is not installed here.")
    ] = None,
    json: Json = False,
) -> None:
    """Consent to the task's terms, for all to see and for ever. Read them first: `fl site terms`.

    They are compared with the task on the chain and with the code that is here. Joining twice does nothing.
    """
    with _importing_from(app):
        site = node.open_site(_soon(_read(file)))
    tasks.demand(site.ledger, site.task)
    _demand_member(site.ledger, site.account)
    joined = site.ledger.seat(site.task, site.account).joined
    if not joined:
        site.join(site.terms, _policy(policy, site.outbox.salt()))
    if json:
        said = {"member": site.account, "task": site.task, "terms": site.terms.id.hex()}
        output.print_json({**said, "sent": not joined})
        return
    how = "had joined" if joined else "joined"
    print(f"{site.account} {how} task {site.task}, whose terms are {site.terms.id.hex()}.")


@site_app.command("leave")
def leave_command(file: SiteFile, json: Json = False) -> None:
    """Take the consent back, at no cost. What was submitted before stands and is paid."""
    config = _soon(_read(file))
    own, task = _own(config), node.deployment(config).task
    member = _account(own)
    tasks.demand(own, task)
    if not own.seat(task, member).joined:
        raise UsageError(f"{member} has no seat in task {task}.", "There is nothing to leave.")
    own.leave_task(task)
    if json:
        output.print_json({"member": member, "task": task})
    else:
        print(f"{member} left task {task}.")


# --- status


@dataclass(frozen=True)
class Status:
    """How a site stands: `last` is the round that it last submitted to, `waiting` rounds with a receipt here.

    `since` is the first round that expects it; the balance is in the token's smallest unit.
    """

    member: Address
    name: str
    admitted: bool
    task: int
    round: int
    open: bool
    ended: bool
    joined: bool
    since: int
    last: int
    waiting: tuple[int, ...]
    balance: int
    payee: Address
    reputation: int


@site_app.command("status")
def status_command(file: SiteFile, json: Json = False) -> None:
    """Show the site's seat, what it last submitted, what waits in its outbox, its balance and reputation."""
    config = _read(file)
    status = _status(config)
    if json:
        output.print_json(asdict(status))
        return
    out = output.console()
    for about, said in _told(status):
        out.print(f"{about:11} {output.safe(said)}")


def _status(config: Config) -> Status:
    own = _own(_soon(config))
    chain, member = own.confirmed(), _account(own)
    place = node.deployment(config)
    tasks.demand(chain, place.task)
    task, seat, held = chain.task(place.task), chain.seat(place.task, member), chain.member(member)
    return Status(
        member=member,
        name=members.names(chain, node.store(config)).get(member, ""),
        admitted=held.admitted,
        task=place.task,
        round=task.round,
        open=task.open,
        ended=task.ended,
        joined=seat.joined,
        since=seat.since,
        last=seat.last,
        waiting=tuple(one.round for one in node.outbox(config).receipts_of(chain, place.task)),
        balance=held.balance,
        payee=chain.payee(member),
        reputation=held.reputation,
    )


def _told(status: Status) -> list[tuple[str, str]]:
    seat = f"joined; asked since round {status.since}" if status.joined else "none"
    state = "open" if status.open else "over"
    round_ = f"round {status.round} is {state}" if status.round else "no round yet"
    ended = "; the task has ended" if status.ended else ""
    waiting = ", ".join(f"receipt of round {round_}" for round_ in status.waiting)
    return [
        ("member", f"{status.name or 'not admitted'}, {status.member}"),
        ("membership", "admitted" if status.admitted else "none"),
        ("task", f"{status.task}, {round_}{ended}"),
        ("seat", seat),
        ("submitted", f"last to round {status.last}" if status.last else "nothing yet"),
        ("outbox", waiting or "empty"),
        ("balance", f"{tokens(status.balance)} tokens, for {status.payee}"),
        ("reputation", f"{status.reputation:,} of 10,000"),
    ]


# --- what the commands share


def _read(file: Path) -> Config:
    return node.complete({node.SITE: str(file)})


def _soon(config: Config) -> Config:
    """What people do at a terminal counts once a block has it, unless the file says otherwise."""
    return {"confirmations": 1, **config}


def _own(config: Config) -> Ledger:
    return node.ledger(config, node.account(config), node.confirmations(config))


def _account(ledger: Ledger) -> Address:
    assert ledger.account is not None, "opened with a key"
    return ledger.account


def _terms(config: Config, chain: Ledger) -> Terms:
    task = node.deployment(config).task
    tasks.demand(chain, task)
    return Terms.decode(read_document(node.store(config), chain.task(task).terms))


def _demand_member(chain: Ledger, member: Address) -> None:
    if not chain.member(member).admitted:
        hint = f"Send its owner the address, to be admitted: {chain.owner()}."
        raise UsageError(f"{member} is no member of the federation {chain.contract}.", hint)


def _policy(file: Path | None, salt: bytes) -> bytes:
    """The policy's digest, with a salt of its own: who shows that one gives nothing else away."""
    try:
        policy = file.read_bytes() if file else b""
    except OSError as error:
        raise UsageError(f"The policy {file} cannot be read: {error.strerror}.") from error
    return policy_digest(policy, hmac.digest(salt, b"policy", "sha256"))


@contextmanager
def _importing_from(app: Path | None) -> Iterator[None]:
    """Have Python find the packages of an app that is not installed."""
    if app is None:
        yield
        return
    if not app.is_dir():
        raise UsageError(f"There is no folder {app}.", "Name the folder with the app's pyproject.toml.")
    sys.path.insert(0, place := str(app.absolute()))
    try:
        yield
    finally:
        sys.path.remove(place)
