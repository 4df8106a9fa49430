"""A node that lies about the contract: whatever it says of one event, or of one thing that is held, is found.

It is found because the rest does not fit. A node that invents a whole history fools whoever asks only it.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from audits import audit, command

from fl.canonical import sha256
from fl.errors import LedgerUnavailable
from fl.ledger import types
from fl.ledger.accounts import account_from_seed
from fl.ledger.types import Credit, Entry, Event, Member, MemberEvent, Outcome, Stage, Task

NOBODY = types.Address("0x000000000000000000000000000000000000dEaD")
OTHER = sha256(b"something else")


class Retelling:
    """A ledger whose answers are changed on their way to the reader."""

    def __init__(self, inner, **changes):
        self._inner, self._changes = inner, changes

    def __getattr__(self, name):
        answer = getattr(self._inner, name)
        if name == "confirmed":
            return lambda: self
        if name not in self._changes:
            return answer
        change = self._changes[name]
        return (lambda *arguments: change(answer(*arguments))) if callable(answer) else change(answer)


def reason(text):
    return text.ljust(32, b"\0")


@pytest.fixture(scope="module")
def told(found):
    """A federation to which everything has happened that a contract can tell of."""
    federation = found(sites=4)
    owner, operator = federation.ledger(federation.owner), federation.ledger(federation.operator)
    first, second, third, fourth = federation.sites
    federation.play()
    packages = federation.begin({1: {"withhold": ["receipt"], "details": {"examples": 0}}})
    owner.reveal(federation.task, 2, packages[1].trainer, packages[1].receipt)
    federation.rounds().finish()
    owner.void_round(federation.task, 2, reason(b"void"))
    owner.reset_weights(federation.task, bytes.fromhex(federation.terms.weights.sha256), reason(b"back"))
    federation.begin()
    operator.fail_round(federation.task, 3, reason(b"failed"))
    owner.withdraw(first.address)
    federation.ledger(first.account).set_payee(first.address, NOBODY)
    owner.remove(third.address)
    owner.unseat(federation.task, third.address)
    new = account_from_seed(b"tests", "new key")
    signature = federation.ledger(second.account).sign_replacement(second.address, new.address, bytes(32))
    owner.replace(second.address, new.address, bytes(32), signature)
    federation.ledger(fourth.account).leave_task(federation.task)
    federation.ledger(new).join_task(federation.task, federation.terms.id, bytes(32))
    owner.set_aggregator(federation.task, NOBODY)
    owner.set_aggregator(federation.task, federation.operator.address)
    owner.unseat(federation.task, second.address)
    federation.sites = [first, second]
    second.account, second.address = new, new.address
    federation.play()
    federation.begin()
    federation.rounds().finish()  # 5 is pending
    owner.end_task(federation.task)
    owner.defund(federation.task)
    return federation


def test_of_every_kind_of_event_there_is_one_and_the_truth_is_verified(told):
    ledger = told.ledger()
    kinds = {type(event) for event in (*ledger.history(told.task), *ledger.member_history())}
    assert kinds == {*Event.__subclasses__(), *MemberEvent.__subclasses__()}
    found = audit(told)
    assert (found.code, found.where()) == (0, set())


# --- events

EVENTS = {
    "TaskCreated.params": (lambda params: replace(params, quorum=1), (None, "contract")),
    "AggregatorSet.aggregator": (NOBODY, (None, "contract")),
    "Funded.sender": None,  # the pool is the same, whoever paid
    "Funded.amount": (1, (None, "accounts")),
    "Defunded.to": None,
    "Defunded.amount": (1, (None, "accounts")),
    "Joined.member": None,  # a seat is compared by the site that holds it
    "Joined.terms": (OTHER, (None, "contract")),
    "Joined.policy": None,  # salted: only the institution can tell
    "Joined.since": (9, (None, "contract")),
    "Left.member": None,
    "Left.by": None,
    "RoundOpened.round": (7, (7, "contract")),
    "RoundOpened.weights": (OTHER, (1, "announcement")),
    "RoundOpened.announcement": (OTHER, (1, "announcement")),
    "RoundOpened.deadline": (1, (1, "contract")),
    "RoundOpened.expected": (9, (1, "contract")),
    "UpdateSubmitted.round": (5, (1, "contract")),
    "UpdateSubmitted.trainer": (NOBODY, (1, "contract")),
    "UpdateSubmitted.receipt": (OTHER, (1, "round")),
    "RoundSealed.round": (1, (None, "contract")),
    "ReceiptRevealed.round": None,  # a reveal settles a denial, and nothing else rests on it
    "ReceiptRevealed.trainer": None,
    "ReceiptRevealed.receipt": None,  # whoever read it has stored it
    "RoundClosed.round": (1, (1, "contract")),
    "RoundClosed.weights": (OTHER, (1, "round")),
    "RoundClosed.manifest": (OTHER, (1, "manifest")),
    "RoundClosed.settle_after": (1, (1, "contract")),
    "RoundClosed.entries": (lambda entries: entries[:1], (1, "contract")),
    "RoundSettled.round": (3, (1, "contract")),
    "RoundSettled.paid": (1, (None, "accounts")),
    "RoundSettled.credits": ((Credit(1, 1),), (None, "accounts")),
    "RoundVoided.round": (5, (2, "contract")),
    "RoundVoided.reason": None,  # governance's own words
    "RoundFailed.round": (5, (3, "contract")),
    "RoundFailed.reason": None,  # said, and decided again whatever it is
    "RoundFailed.by": None,
    "WeightsReset.weights": (OTHER, (None, "resets")),
    "WeightsReset.reason": None,
    "Admitted.member": (NOBODY, (None, "accounts")),
    "Admitted.profile": None,  # a name to show
    "Removed.member": (NOBODY, (None, "accounts")),
    "Replaced.old": (NOBODY, (None, "accounts")),
    "Replaced.new": (NOBODY, (None, "accounts")),
    "Replaced.profile": None,
    "PayeeSet.member": (NOBODY, (None, "accounts")),
    "PayeeSet.payee": (OTHER.hex(), (None, "accounts")),
    "Withdrawn.member": (NOBODY, (None, "accounts")),
    "Withdrawn.payee": None,  # whom a withdrawal has reached is for the token's own events to say
    "Withdrawn.amount": (1, (None, "accounts")),
}
"""Field → the lie, and where it must be named; None where nothing that is verified rests on it."""


def test_there_is_a_case_for_every_field_of_every_event():
    kinds = [*Event.__subclasses__(), *MemberEvent.__subclasses__()]
    own = {(kind.__name__, field.name) for kind in kinds for field in fields(kind)}
    assert {f"{kind}.{name}" for kind, name in own if name not in ("at", "task")} == EVENTS.keys()


def retold(name, lie):
    """A history in which every event of one kind says something else in one field."""
    kind, field = name.split(".")

    def change(events):
        return tuple(
            replace(event, **{field: lie(getattr(event, field)) if callable(lie) else lie})
            if type(event).__name__ == kind
            else event
            for event in events
        )

    return change


def history_of(name):
    """Which of the two histories an event stands in."""
    kind = getattr(types, name.split(".")[0])
    return "member_history" if issubclass(kind, MemberEvent) else "history"


@pytest.mark.parametrize("name", [name for name, case in EVENTS.items() if case])
def test_an_event_that_says_something_else_is_found_and_named(told, name):
    lie, where = EVENTS[name]
    found = audit(told, ledger=Retelling(told.ledger(), **{history_of(name): retold(name, lie)}))
    assert found.code == 1
    assert where in found.where()


@pytest.mark.parametrize("name", [name for name, case in EVENTS.items() if not case])
def test_what_nothing_rests_on_may_be_anything(told, name):
    def lie(said):
        return said + 1 if isinstance(said, int) else NOBODY if isinstance(said, str) else OTHER

    found = audit(told, ledger=Retelling(told.ledger(), **{history_of(name): retold(name, lie)}))
    assert (found.code, found.where()) == (0, set())


SILENCE = {
    types.TaskCreated: (None, "terms"),
    types.Admitted: (None, "accounts"),
    types.Funded: (None, "accounts"),
    types.Joined: (1, "contract"),
    types.Left: (4, "contract"),
    types.UpdateSubmitted: (1, "round"),
    types.RoundOpened: (None, "contract"),
    types.RoundClosed: (2, "announcement"),
    types.RoundSettled: (1, "contract"),
    types.RoundVoided: (2, "contract"),
    types.RoundFailed: (3, "contract"),
    types.WeightsReset: (3, "announcement"),
    types.TaskEnded: (None, "contract"),
    types.Defunded: (None, "accounts"),
    types.RoundSealed: (None, "contract"),
    types.Removed: (None, "accounts"),
    types.Replaced: (None, "accounts"),
    types.PayeeSet: (None, "accounts"),
    types.Withdrawn: (None, "accounts"),
}


@pytest.mark.parametrize("kind", SILENCE, ids=lambda kind: kind.__name__)
def test_events_that_are_kept_back_are_missed(told, kind):
    def without(events):
        return tuple(event for event in events if type(event) is not kind)

    found = audit(told, ledger=Retelling(told.ledger(), history=without, member_history=without))
    assert found.code == 1
    assert SILENCE[kind] in found.where()


DISORDERS = {
    "backwards": lambda events: events[::-1],
    "twice": lambda events: (*events, *events),
    "each twice": lambda events: tuple(one for event in events for one in (event, event)),
    "of another task": lambda events: tuple(replace(event, task=99) for event in events),
    "none": lambda events: (),
}


@pytest.mark.parametrize("disorder", DISORDERS.values(), ids=DISORDERS.keys())
def test_events_in_disorder_are_no_history_and_stop_nothing(told, disorder):
    found = audit(told, ledger=Retelling(told.ledger(), history=disorder))
    assert found.code == 1
    assert (None, "accounts") in found.where()


# --- what is held

TASK = {
    **dict.fromkeys(("terms", "weights", "accumulator"), OTHER),
    **dict.fromkeys(("round", "deadline", "submitted", "joined", "quorum", "window"), 99),
    **dict.fromkeys(("close_window", "settle_delay", "reward"), 99),
    **dict.fromkeys(("aggregator", "sponsor"), NOBODY),
    "open": True,
    "ended": False,
    "pool": 1,
    "expected": None,  # of the open round only, and it counts who left since
    "created_at": None,  # block numbers: where to look first
    "opened_at": None,
}


def test_there_is_a_case_for_every_field_of_a_task():
    assert TASK.keys() == {field.name for field in fields(Task)}


@pytest.mark.parametrize("field", [field for field, lie in TASK.items() if lie is not None])
def test_a_task_that_is_not_what_its_events_make_it_is_named(told, field):
    found = audit(
        told, ledger=Retelling(told.ledger(), task=lambda task: replace(task, **{field: TASK[field]}))
    )
    assert found.code == 1
    assert found.where() == {(None, "accounts" if field in ("pool", "reward") else "contract")} | (
        {(None, "contract")} if field == "reward" else set()
    )
    assert any(text.startswith(f"{field}:") for text in found.texts())


@pytest.mark.parametrize(("field", "lie"), [("balance", 7), ("reputation", 1), ("admitted", None)])
def test_a_member_that_is_not_what_events_make_it_is_named_with_its_address(told, field, lie):
    assert {one.name for one in fields(Member)} == {"balance", "reputation", "admitted"}

    def change(member):
        return replace(member, **{field: not member.admitted if lie is None else lie})

    found = audit(told, ledger=Retelling(told.ledger(), member=change))
    assert found.where() == {(None, "accounts")}
    assert len([text for text in found.texts() if f": {field} " in text]) == 5


def test_a_payee_that_no_event_named_is_named(told):
    found = audit(told, ledger=Retelling(told.ledger(), payee=lambda _payee: told.owner.address))
    assert found.where() == {(None, "accounts")}


OUTCOMES = {
    "failed": (lambda _: Outcome(Stage.FAILED), {1, 2, 4, 5}),
    "never opened": (lambda _: Outcome(Stage.NONE), {1, 2, 3, 4, 5}),
    "another settlement": (lambda held: replace(held, digest=OTHER) if held.digest else held, {5}),
}


@pytest.mark.parametrize(("lie", "rounds"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_an_outcome_that_events_do_not_give_is_named_with_its_round(told, lie, rounds):
    found = audit(told, ledger=Retelling(told.ledger(), outcome=lie))
    assert found.where() == {(round_, "contract") for round_ in rounds}


@pytest.mark.parametrize(("name", "lie"), [("chain_id", 1), ("contract", NOBODY)])
def test_another_chain_or_contract_than_documents_name_is_found_in_every_round(told, name, lie):
    found = audit(told, ledger=Retelling(told.ledger(), **{name: lambda _: lie}))
    assert {round_ for round_, subject in found.where() if subject == "announcement"} == {1, 2, 3, 4, 5}


def test_shares_that_add_up_to_another_payment_are_found_in_the_accounts(told):
    def dearer(entries):
        return tuple(
            Entry(one.trainer, one.share + (number == 0), one.quality) for number, one in enumerate(entries)
        )

    ledger = Retelling(told.ledger(), history=retold("RoundClosed.entries", dearer))
    found = audit(told, ledger=ledger)
    assert {(1, "round"), (5, "contract"), (None, "accounts")} <= found.where()


@pytest.mark.parametrize("name", ["outcome", "member", "task"])
def test_a_node_that_falls_silent_is_no_mismatch(told, name, capsys):
    def silent(_answer):
        raise LedgerUnavailable("The node gave no answer.")

    ledger = Retelling(told.ledger(), **{name: silent})
    code, out = command(told, ledger=ledger)
    assert (code, out) == (1, "")
    assert "The node gave no answer." in capsys.readouterr().err
