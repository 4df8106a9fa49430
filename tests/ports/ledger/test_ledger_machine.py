"""Any sequence of calls gets the same answers, refusals and events from the model and from the contract.

A state machine (hypothesis) calls every verb of the port on both, in everybody's name, for several tasks at
once. Arguments come from the model's state, so that rounds get on; some are then made wrong, and bounds of times,
numbers and amounts come up as often as what lies between them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from profiles import DEEP, NAME, effort
from twins import Template, Twins

from fl.ledger.types import (
    FULL_QUALITY,
    REFUSED_QUALITY,
    UNAVAILABLE,
    UNRATED,
    Address,
    Entry,
    Result,
    Stage,
    TaskParams,
    UpdateSubmitted,
)

NOBODY = "0x" + "00" * 20
TRAINERS = ("ada", "bert", "cleo", "dora")
HEIRS = ("eve", "finn")
ACTORS = ("owner", "aggregator", "deputy", "sponsor", "stranger", *TRAINERS, *HEIRS)
PEOPLE = (*ACTORS, NOBODY)
RICHES = {"sponsor": 2**128 + 10**6, "stranger": 500}
ENDLESS = 2**256 - 1
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1

EVENTS_OF_MEMBERS = ("admit", "remove", "replace", "set_payee", "withdraw")


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def params(address: Any, **changes: object) -> TaskParams:
    usual = TaskParams(
        terms=digest("terms"),
        weights=digest("initial weights"),
        aggregator=address("aggregator"),
        sponsor=address("sponsor"),
        reward=1_000,
        quorum=1,
        window=100,
        close_window=60,
        settle_delay=30,
    )
    return replace(usual, **changes)


def prepare(ledger: Any) -> None:
    """Three members in two funded tasks; the second wants two trainers and waits for nothing."""
    def address(name: str) -> Address:
        return Address(ledger(name).account)

    ledger("sponsor").approve(ENDLESS)
    for name in TRAINERS[:3]:
        ledger("owner").admit(address(name), digest(f"profile of {name}"))
    ledger("owner").create_task(params(address))
    ledger("owner").create_task(params(address, quorum=2, close_window=2, settle_delay=0, reward=7))
    for task in (1, 2):
        ledger("sponsor").fund(task, 20_000)
        for name in TRAINERS[:3]:
            ledger(name).join_task(task, digest("terms"), digest("policy"))


class Closing(NamedTuple):
    """What settles a round."""

    task: int
    round: int
    settle_after: int
    entries: tuple[Entry, ...]


class Signed(NamedTuple):
    """A submission that its trainer signed."""

    trainer: str
    task: int
    round: int
    receipt: bytes
    signature: bytes


# --- what arguments are drawn from


def mostly(*others: Any, usual: Any = None, weight: int = 6) -> st.SearchStrategy[Any]:
    """`usual`, and once in a while one of the others."""
    return st.sampled_from((*(usual,) * weight, *others))


trainers = st.sampled_from(TRAINERS)
people = st.sampled_from(PEOPLE)
callers = mostly(*ACTORS, weight=3 * len(ACTORS))
"""None stands for whoever usually makes the call."""
words = st.sampled_from([digest(text) for text in "abc"])
amounts = st.sampled_from([0, 1, 999, 1_000, 20_000, 2**128 - 1, 2**128, ENDLESS])
rounds = mostly(-1, 1, 2, -2, weight=12, usual=0)
"""How far from the task's last round."""
shares = st.sampled_from([0, 1, 1, 2, 3, 1_000_000, 2**32 - 1])
good_marks = st.tuples(shares, st.just(FULL_QUALITY))
marks = st.one_of(
    good_marks,
    good_marks,
    st.sampled_from([(0, REFUSED_QUALITY), (0, UNRATED), (0, UNAVAILABLE)]),
)
bad_marks = st.sampled_from([(1, 0), (1, UNRATED), (1, UNAVAILABLE), (0, 17), (0, 9_999), (0, 10_001), (2**32, FULL_QUALITY)])
FLAWS_OF_A_RESULT = (
    "no entry",
    "one receipt less",
    "one entry less",
    "reversed",
    "other receipt",
    "other announcement",
    "no weights",
    "twice",
)


def flawed(result: Result, flaw: str | None) -> Result:
    match flaw:
        case "no entry":
            return replace(result, entries=(), receipts=())
        case "one receipt less":
            return replace(result, receipts=result.receipts[:-1])
        case "one entry less":
            return replace(result, entries=result.entries[:-1], receipts=result.receipts[:-1])
        case "reversed":
            return replace(result, entries=result.entries[::-1], receipts=result.receipts[::-1])
        case "other receipt":
            return replace(result, receipts=tuple(digest("other") for _ in result.receipts))
        case "other announcement":
            return replace(result, announcement=digest("other"))
        case "no weights":
            return replace(result, weights=bytes(32))
        case "twice":
            return replace(result, entries=result.entries * 2, receipts=result.receipts * 2)
    return result


def twisted(signature: bytes, how: str | None) -> bytes:
    """A signature made wrong, or said in another way (ECDSA: (r, n - s, v ^ 1) is valid too)."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    match how:
        case "high s":
            return r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
        case "v of 0":
            return signature[:64] + bytes([v - 27])
        case "other v":
            return signature[:64] + bytes([55 - v])
        case "compact":  # EIP-2098
            return r + (s | (v - 27) << 255).to_bytes(32, "big")
        case "short":
            return signature[:-1]
        case "long":
            return signature + b"\0"
        case "zeros":
            return bytes(65)
        case "r beyond the order":
            return b"\xff" * 32 + signature[32:]
        case "none":
            return b""
    return signature


twists = mostly("high s", "v of 0", "other v", "compact", "short", "long", "zeros", "r beyond the order", "none", weight=20)


class Ledgers(RuleBasedStateMachine):
    """The two ledgers and whatever may be called on them."""

    template: ClassVar[Template]
    calls: ClassVar[Counter[tuple[str, str]]] = Counter()
    number: ClassVar[count[int]] = count()

    tasks = Bundle("tasks")
    closings = Bundle("closings")
    signatures = Bundle("signatures")

    def __init__(self) -> None:
        super().__init__()
        path = self.template.path.with_name(f"{next(self.number)}.sqlite")
        self.twins = Twins(self.template, path, self.calls)
        self.block = 0

    def teardown(self) -> None:
        try:
            self._same_everywhere()
        finally:
            self.twins.close()

    # --- helpers

    @property
    def model(self) -> Any:
        return self.twins.model

    def address(self, name: str) -> Address:
        return Address(self.twins.contract) if name == "federation" else self.twins.address(name)

    def call(self, caller: str | None, usual: str, verb: str, *arguments: Any, task: int | None = None) -> bool:
        """Call on both; after an accepted call the events must be the same too."""
        accepted = self.twins.call(caller or usual, verb, *arguments)
        if accepted and task is not None:
            self.twins.same("task", task)
            self.twins.new_events("history", task)
        elif accepted:
            self.twins.new_events("member_history")
        return accepted

    def right_round(self, task: int, off: int = 0) -> int:
        return max(0, self.model.task(task).round + off)

    def receipt(self, trainer: str, round_: int) -> bytes:
        return digest(f"receipt {round_} of {trainer}")

    def result(self, task: int, draw: Any, strategy: Any) -> Result:
        known = self.model.task(task)
        said = [
            event
            for event in self.model.history(task)
            if isinstance(event, UpdateSubmitted) and event.round == known.round
        ]
        return Result(
            announcement=digest(f"announcement {known.round}"),
            weights=digest(f"weights {known.round}"),
            manifest=digest(f"manifest {known.round}"),
            entries=tuple(Entry(event.trainer, *draw(strategy)) for event in said),
            receipts=tuple(event.receipt for event in said),
        )

    def close(self, caller: str | None, task: int, result: Result, off: int = 0) -> Any:
        known = self.model.task(task)
        round_ = self.right_round(task, off)
        if not self.call(caller, self.aggregator(task), "close_round", task, round_, result, task=task):
            return multiple()
        return Closing(task, round_, self.model.now() + known.settle_delay, result.entries)

    def aggregator(self, task: int) -> str:
        return next(name for name in ACTORS if self.address(name) == self.model.task(task).aggregator)

    def _same_everywhere(self) -> None:
        same, tasks = self.twins.same, range(self.model.task_count() + 2)
        for verb in ("now", "owner", "paused", "task_count", "member_history"):
            same(verb)
        people = [self.address(name) for name in (*PEOPLE, "federation")]
        for person in people:
            for verb in ("member", "payee", "token_balance"):
                same(verb, person)
        for task in tasks:
            same("task", task)
            same("history", task)
            for person in people:
                same("seat", task, person)
        for task in tasks[1:-1]:
            for round_ in range(self.model.task(task).round + 2):
                same("outcome", task, round_)

    # --- members

    @initialize(target=tasks)
    def begin(self) -> Any:
        return multiple(1, 2)

    @rule(caller=callers, person=people)
    def admit(self, caller: str | None, person: str) -> None:
        self.call(caller, "owner", "admit", self.address(person), digest("profile"))

    @rule(caller=callers, person=st.sampled_from((*TRAINERS, *HEIRS, "stranger")))
    def remove(self, caller: str | None, person: str) -> None:
        self.call(caller, "owner", "remove", self.address(person))

    @rule(
        caller=callers,
        old=trainers,
        new=st.sampled_from((*HEIRS, *HEIRS, "ada", NOBODY, "federation")),
        signer=mostly("stranger", "owner"),
        signed_for=mostly("stranger"),
        twist=twists,
    )
    def replace(self, caller: str | None, old: str, new: str, signer: str | None, signed_for: str | None, twist: str | None) -> None:
        """With the payee's signature, or another."""
        payee = self.payee_of(old) if signer is None else signer
        profile = digest("new profile")
        signature = self.twins.sign(payee, "sign_replacement", self.address(old), self.address(signed_for or new), profile)
        self.call(caller, "owner", "replace", self.address(old), self.address(new), profile, twisted(signature, twist))

    @rule(caller=callers, member=people, payee=st.sampled_from((*PEOPLE, "federation")))
    def set_payee(self, caller: str | None, member: str, payee: str) -> None:
        self.call(caller, self.payee_of(member), "set_payee", self.address(member), self.address(payee))

    @rule(caller=callers, member=trainers)
    def withdraw(self, caller: str | None, member: str) -> None:
        self.call(caller, "stranger", "withdraw", self.address(member))

    def payee_of(self, member: str) -> str:
        payee = self.model.payee(self.address(member))
        return next((name for name in ACTORS if self.address(name) == payee), "stranger")
