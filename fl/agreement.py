"""What chain, terms and announcement must agree in: a site asks before it takes part, a verifier afterwards.

Each function yields every difference, such as "the terms say quorum 3, the contract holds 2", and nothing
where all agree. None reads chain or store.
"""

from __future__ import annotations

from collections.abc import Iterator
from reprlib import repr as shown  # settings come from others and can be long

from fl.canonical import dump
from fl.documents import Announcement, Terms
from fl.ledger.types import Address, RoundOpened, Task, TaskParams
from fl.messages import SERVER_ROUND


def terms_and_task(terms: Terms, task: Task | TaskParams) -> Iterator[str]:
    """The terms against the contract's digest and numbers, as they were created or are now.

    A task that has had a round holds other weights than the terms: there, these are not compared.
    """
    agreed: dict[str, tuple[object, object]] = {
        "digest": (terms.id.hex(), task.terms.hex()),
        "reward": (int(terms.reward), task.reward),
        "quorum": (terms.quorum, task.quorum),
        "window": (terms.window, task.window),
        "close window": (terms.close_window, task.close_window),
        "settle delay": (terms.settle_delay, task.settle_delay),
    }
    if isinstance(task, TaskParams) or task.round == 0:
        agreed["weights"] = (terms.weights.sha256, task.weights.hex())
    for name, (said, held) in agreed.items():
        if said != held:
            yield f"the terms say {name} {said}, the contract holds {held}"


def announcement_and_opening(
    announcement: Announcement, opened: RoundOpened, chain_id: int, contract: Address
) -> Iterator[str]:
    """The announcement against the round that was opened with it: where, which, and on which weights."""
    agreed: dict[str, tuple[object, object]] = {
        "chain": (announcement.chain_id, chain_id),
        "contract": (announcement.contract, contract),
        "task": (announcement.task, opened.task),
        "round": (announcement.round, opened.round),
        "base": (announcement.base.sha256, opened.weights.hex()),
    }
    for name, (said, held) in agreed.items():
        if said != held:
            yield f"the announcement says {name} {said}, the round was opened with {held}"


def settings_and_terms(announcement: Announcement, terms: Terms) -> Iterator[str]:
    """The announced settings against the terms: a round may repeat theirs and say its number, no more.

    Values are compared as they are written, so 1, 1.0 and true are three different ones.
    """
    for name, value in announcement.settings.items():
        said = f"the announcement sets {name} to {shown(value)}"
        if name in terms.training:
            if dump(value) != dump(terms.training[name]):
                yield f"{said}, the terms say {shown(terms.training[name])}"
        elif name != SERVER_ROUND:
            yield f"{said}, the terms do not name it"
        elif type(value) is not int or value < 1:
            yield f"{said}, which is no round's number"


# --- terms that nobody could check


def needs_utilities(terms: Terms) -> bool:
    """Whether shares or the guard rest on utilities of coalitions."""
    return terms.scoring.rule == "shapley" or terms.guard != "none"


def terms_and_scoring(terms: Terms) -> Iterator[str]:
    """What is missing to measure the utilities that scoring or guard rest on."""
    needed = {"model": terms.model, "data": terms.data, "validation set": terms.scoring.validation}
    for name, given in needed.items():
        if needs_utilities(terms) and given is None:
            yield f"the terms score or guard by utilities and give no {name}: nobody could check the shares"
