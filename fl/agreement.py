"""What chain, terms and announcement must agree in: a site asks before it takes part, a verifier afterwards.

Each function yields every difference, such as "the terms say quorum 3, the contract holds 2", and nothing
where all agree. None reads chain or store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from reprlib import repr as shown  # settings come from others and can be long

from fl.canonical import decode_settings, dump
from fl.documents import Adjustable, Announcement, Terms
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


def invitation_and_quorum(announcement: Announcement, quorum: int) -> Iterator[str]:
    """Whom the round asks against how many it needs: fewer could only work for nothing."""
    if announcement.invited is not None and (asked := len(set(announcement.invited))) < quorum:
        yield f"the announcement invites {asked}, and a round needs {quorum} to close"


def settings_and_terms(settings: Mapping[str, object], terms: Terms) -> Iterator[str]:
    """A round's settings, as an announcement holds them, against the terms.

    Each repeats the terms', is one that they let a round choose, or says the round's number. Values are
    compared as they are written, so 1, 1.0 and true are three different ones.
    """
    for name, value in settings.items():
        if wrong := _wrong_setting(name, value, terms):
            yield f"the announcement sets {name} to {shown(value)}, {wrong}"


def _wrong_setting(name: str, value: object, terms: Terms) -> str:
    """In what one setting contradicts the terms; empty when it does not."""
    if name in terms.training and dump(value) == dump(terms.training[name]):
        return ""
    for adjustable in terms.adjustable:
        if adjustable.name == name:
            return _out_of_bounds(value, adjustable)
    if name in terms.training:
        return f"the terms say {shown(terms.training[name])}"
    if name != SERVER_ROUND:
        return "the terms do not name it"
    return "" if type(value) is int and value > 0 else "which is no round's number"


def _out_of_bounds(value: object, adjustable: Adjustable) -> str:
    """Without bounds, anything that a document can hold is right."""
    if adjustable.low is None and adjustable.high is None:
        return ""
    low, high = adjustable.bounds
    number = decode_settings({"": value})[""]
    if type(number) in (int, float) and low <= number <= high:  # type: ignore[operator]  # a number, see left
        return ""
    return f"the terms want a number from {low} to {high}"


# --- terms that nobody could check


def needs_values(rule: str) -> bool:
    """Whether shares by this scoring rule rest on what updates are worth."""
    return rule not in ("equal", "examples")


def needs_utilities(terms: Terms) -> bool:
    """Whether shares or the guard rest on utilities of coalitions."""
    return needs_values(terms.scoring.rule) or terms.guard != "none"


def terms_and_scoring(terms: Terms) -> Iterator[str]:
    """What is missing to measure the utilities that scoring or guard rest on."""
    needed = {"model": terms.model, "data": terms.data, "validation set": terms.scoring.validation}
    for name, given in needed.items():
        if needs_utilities(terms) and given is None:
            yield f"the terms score or guard by utilities and give no {name}: nobody could check the shares"
