"""Any sequence of calls gets the same answers, refusals and events from the model and from the contract.

A state machine calls every verb of the port on both, in everybody's name, for several tasks at once.
Arguments come from the model's state, so that rounds get on; some are then made wrong, and the bounds of
times, numbers and amounts come up as often as what lies between them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)
from ledger_arguments import (
    LARGEST,
    Mark,
    amounts,
    announcement,
    digest,
    flawed,
    flaws,
    marks,
    mostly,
    numbers,
    params,
    result_of,
    steps,
    twisted,
    twists,
    words,
)
from ledger_scene import (
    ACTORS,
    CALLERS,
    ELSEWHERE,
    HEIRS,
    PEOPLE,
    RICHES,
    TRAINERS,
    Scene,
    prepare,
    reachable_errors,
    receipt,
)
from profiles import effort
from twins import Template

from fl.ledger.types import Address, Result, RoundClosed, UpdateSubmitted

trainers = st.sampled_from(TRAINERS)
people = st.sampled_from(PEOPLE)
callers = mostly(*ACTORS)
"""None stands for whoever may make the call."""
seldom = mostly(True, usual=False)
terms = mostly(digest("other"), usual=digest("terms"))
allowances = mostly(0, 20_000, usual=LARGEST)


class Signed(NamedTuple):
    """A submission that somebody signed."""

    trainer: Address
    task: int
    round: int
    receipt: bytes
    signature: bytes


class Federations(Scene):
    """Every verb of the port, as rules."""

    tasks: Bundle[int] = Bundle("tasks")
    closings: Bundle[RoundClosed] = Bundle("closings")
    signatures: Bundle[Signed] = Bundle("signatures")

    @initialize(target=tasks)
    def first_tasks(self) -> Any:
        return multiple(1, 2)

    @initialize(target=closings)
    def first_closings(self) -> Any:
        return multiple(*(self.twins.model.history(task)[-1] for task in (1, 2)))

    def run(self, task: int, as_it_is: bool) -> None:
        """See that a round is open."""
        if not as_it_is and not self.known(task).open:
            self.open_round(None, task)

    def seal(self, task: int, as_it_is: bool) -> None:
        """See that the open round takes no submission any more."""
        if not as_it_is and not self.known(task).sealed(self.now()):
            self.twins.set_time(max(self.now(), self.known(task).deadline + 1))

    # --- members

    @rule(caller=callers, member=st.sampled_from((*TRAINERS, *PEOPLE)), nonsense=seldom)
    def admit_or_remove(self, caller: str | None, member: str, nonsense: bool) -> None:
        if self.twins.model.member(self.addresses[member]).admitted != nonsense:
            self.of_member(caller, "owner", "remove", self.addresses[member])
        else:
            self.of_member(caller, "owner", "admit", self.addresses[member], digest("profile"))

    @rule(
        caller=callers,
        old=trainers,
        new=st.sampled_from((*HEIRS, *HEIRS, *PEOPLE)),
        signer=mostly(*ACTORS),
        signed_for=mostly("stranger"),
        twist=twists,
    )
    def replace(
        self,
        caller: str | None,
        old: str,
        new: str,
        signer: str | None,
        signed_for: str | None,
        twist: str | None,
    ) -> None:
        """With the payee's signature for these two keys, or another."""
        profile = digest("new profile")
        keys = self.addresses[old], self.addresses[signed_for or new]
        signature = self.twins.call(signer or self.payee(old), "sign_replacement", *keys, profile)
        arguments = self.addresses[old], self.addresses[new], profile, twisted(signature, twist)
        self.of_member(caller, "owner", "replace", *arguments)

    @rule(caller=callers, member=people, payee=people)
    def set_payee(self, caller: str | None, member: str, payee: str) -> None:
        arguments = self.addresses[member], self.addresses[payee]
        self.of_member(caller, self.payee(member), "set_payee", *arguments)

    @rule(
        caller=callers, task=tasks, member=st.sampled_from((*TRAINERS, *HEIRS)), nonsense=seldom, terms=terms
    )
    def join_or_leave(self, caller: str | None, task: int, member: str, nonsense: bool, terms: bytes) -> None:
        """In person; once in a while somebody else takes the seat away."""
        joined = self.twins.model.seat(task, self.addresses[member]).joined
        if caller:
            self.of_task(caller, caller, "unseat", task, self.addresses[member])
        elif joined != nonsense:
            self.of_task(member, member, "leave_task", task)
        elif self.of_task(member, member, "join_task", task, terms, digest("policy")):
            # too late for a round that is open
            self.of_task(member, member, "submit_update", task, self.round(task), receipt(member))

    @rule(task=tasks, member=trainers, submits=st.booleans(), moment=st.sampled_from((None, 0, 1)))
    def leave_an_open_round(self, task: int, member: str, submits: bool, moment: int | None) -> None:
        """Before or after submitting; at once, in its last second, or in the first one after it."""
        self.run(task, as_it_is=False)
        if moment is not None:
            self.twins.set_time(max(self.now(), self.known(task).deadline + moment))
        if submits:
            self.submit_update(member, task, 0, receipt(member), as_it_is=True)
        self.of_task(member, member, "leave_task", task)

    # --- tasks and money

    @rule(caller=callers, paused=seldom)
    def set_paused(self, caller: str | None, paused: bool) -> None:
        self.twins.call(caller or "owner", "set_paused", paused)
        self.twins.read("paused")

    @rule(
        target=tasks, caller=callers, changes=numbers, sponsor=mostly("nobody", "federation", usual="sponsor")
    )
    def create_task(self, caller: str | None, changes: dict[str, int], sponsor: str) -> Any:
        wanted = params(self.addresses["aggregator"], self.addresses[sponsor], **changes)
        task = self.twins.call(caller or "owner", "create_task", wanted)
        if task is None:
            return multiple()
        self.twins.history(task)
        return task

    @rule(caller=callers, task=tasks, aggregator=mostly("deputy", "nobody", usual="aggregator"))
    def set_aggregator(self, caller: str | None, task: int, aggregator: str) -> None:
        self.of_task(caller, "owner", "set_aggregator", task, self.addresses[aggregator])

    @rule(caller=mostly("owner", "sponsor", usual="stranger"), task=tasks)
    def end_task(self, caller: str, task: int) -> None:
        if self.of_task(caller, caller, "end_task", task):
            self.of_task("stranger", "stranger", "defund", task)

    @rule(
        caller=st.sampled_from(("sponsor", "stranger", "ada")),
        task=tasks,
        amount=amounts,
        approved=allowances,
    )
    def fund(self, caller: str, task: int, amount: int, approved: int) -> None:
        self.twins.call(caller, "approve", approved)
        self.of_task(caller, caller, "fund", task, amount)

    @rule(caller=callers, task=tasks)
    def defund(self, caller: str | None, task: int) -> None:
        self.of_task(caller, "stranger", "defund", task)

    @rule(caller=callers, member=trainers)
    def withdraw(self, caller: str | None, member: str) -> None:
        self.of_member(caller, "stranger", "withdraw", self.addresses[member])

    # --- rounds

    @rule(caller=callers, task=tasks, step=steps, base=mostly(digest("other")))
    def open_round(self, caller: str | None, task: int, step: int = 0, base: bytes | None = None) -> None:
        known, round_ = self.known(task), self.round(task, step + 1)
        arguments = round_, base or known.weights, announcement(round_)
        self.of_task(caller, self.aggregator(task), "open_round", task, *arguments)

    @rule(
        trainer=st.sampled_from((*TRAINERS, "stranger")),
        task=tasks,
        step=steps,
        receipt=words,
        as_it_is=seldom,
    )
    def submit_update(self, trainer: str, task: int, step: int, receipt: bytes, as_it_is: bool) -> None:
        self.run(task, as_it_is)
        self.of_task(trainer, trainer, "submit_update", task, self.round(task, step), receipt)

    @rule(target=signatures, trainer=trainers, task=tasks, step=steps, receipt=words, as_it_is=seldom)
    def sign(self, trainer: str, task: int, step: int, receipt: bytes, as_it_is: bool) -> Signed:
        self.run(task, as_it_is)
        submission = task, self.round(task, step), receipt
        signature = self.twins.call(trainer, "sign_submission", *submission)
        return Signed(self.addresses[trainer], *submission, signature)

    @rule(
        signed=signatures,
        twist=twists,
        trainer=mostly(*TRAINERS),
        task=mostly(1, 2),
        step=steps,
        receipt=mostly(digest("other")),
    )
    def relay(
        self,
        signed: Signed,
        twist: str | None,
        trainer: str | None,
        task: int | None,
        step: int,
        receipt: bytes | None,
    ) -> None:
        """What was signed, as it was signed or with something changed."""
        who = self.addresses[trainer] if trainer else signed.trainer
        where = task or signed.task, max(0, signed.round + step)
        arguments = *where, receipt or signed.receipt, twisted(signed.signature, twist)
        self._in(where[0], self.twins.call("stranger", "submit_update_for", who, *arguments))

    @rule(
        caller=callers,
        task=tasks,
        step=st.sampled_from((0, 0, -1, 1)),
        trainer=people,
        receipt=st.binary(max_size=40),
    )
    def reveal(self, caller: str | None, task: int, step: int, trainer: str, receipt: bytes) -> None:
        arguments = self.round(task, step), self.addresses[trainer], receipt
        self.of_task(caller, "stranger", "reveal", task, *arguments)

    @rule(
        target=closings, caller=callers, task=tasks, step=steps, flaw=flaws, as_it_is=seldom, data=st.data()
    )
    def close_round(
        self, caller: str | None, task: int, step: int, flaw: str | None, as_it_is: bool, data: st.DataObject
    ) -> Any:
        self.run(task, as_it_is)
        self.seal(task, as_it_is)
        return self.close(caller, task, step, flawed(self.result(task, data, marks), flaw))

    def result(self, task: int, data: st.DataObject, marks: st.SearchStrategy[Mark]) -> Result:
        """With every submission to the last round, in order."""
        round_ = self.round(task)
        events = self.twins.model.history(task)
        said = [event for event in events if isinstance(event, UpdateSubmitted) and event.round == round_]
        submissions = [(event.trainer, event.receipt) for event in said]
        return result_of(round_, submissions, [data.draw(marks) for _ in said])

    def close(self, caller: str | None, task: int, step: int, result: Result) -> Any:
        arguments = self.round(task, step), result
        if not self.of_task(caller, self.aggregator(task), "close_round", task, *arguments):
            return multiple()
        return self.twins.model.history(task)[-1]

    @rule(target=closings, task=tasks, data=st.data())
    def play_round(self, task: int, data: st.DataObject) -> Any:
        """A whole round up to its closing at some bound, as far as the state of things lets it come."""
        self.run(task, as_it_is=False)
        for trainer in TRAINERS:
            self.submit_update(trainer, task, 0, receipt(trainer), as_it_is=True)
        self.seal(task, as_it_is=False)
        self.wait(task, data)
        return self.close(None, task, 0, self.result(task, data, marks))

    @rule(
        caller=callers,
        closing=closings,
        wait=mostly(-1, usual=0),
        moment=mostly(-1, 1, usual=0),
        turned=seldom,
    )
    def settle_round(
        self, caller: str | None, closing: RoundClosed, wait: int, moment: int, turned: bool
    ) -> None:
        """In the first second in which it may be, or in the one before; as it was closed, or otherwise."""
        self.twins.set_time(max(self.now(), closing.settle_after + wait))
        entries = closing.entries[::-1] if turned else closing.entries
        arguments = closing.round, closing.settle_after + moment, entries
        if self.of_task(caller, "stranger", "settle_round", closing.task, *arguments):
            for entry in closing.entries:
                self.twins.read("member", entry.trainer)

    @rule(caller=callers, task=tasks, step=st.sampled_from((0, 0, -1, 1)))
    def void_round(self, caller: str | None, task: int, step: int) -> None:
        self.of_task(caller, "owner", "void_round", task, self.round(task, step), digest("why"))

    @rule(caller=st.sampled_from((None, "stranger")), task=tasks, step=steps, as_it_is=seldom)
    def fail_round(self, caller: str | None, task: int, step: int, as_it_is: bool) -> None:
        self.run(task, as_it_is)
        self.of_task(caller, self.aggregator(task), "fail_round", task, self.round(task, step), digest("why"))

    # --- what is nowhere

    @rule(task=st.sampled_from((0, 99, LARGEST, LARGEST + 1, -1)), verb=st.sampled_from(sorted(ELSEWHERE)))
    def call_about_no_task(self, task: int, verb: str) -> None:
        """By whoever may call it about a task that is there; some of these numbers are none at all."""
        self.twins.call(CALLERS.get(verb, "ada"), verb, task, *ELSEWHERE[verb])

    # --- governance and time

    @rule(caller=callers, task=tasks, weights=words)
    def reset_weights(self, caller: str | None, task: int, weights: bytes) -> None:
        self.of_task(caller, "owner", "reset_weights", task, weights, digest("why"))

    @rule(task=tasks, data=st.data())
    def wait(self, task: int, data: st.DataObject) -> None:
        """Until a bound of the task's, or one second before or after it."""
        known, now = self.known(task), self.now()
        bounds = known.deadline, known.deadline + known.close_window // 2, known.close_by()
        moments = {bound + step for bound in bounds for step in (0, 1)} | {now + 1}
        self.twins.set_time(data.draw(st.sampled_from(sorted(m for m in moments if m > now))))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    path = tmp_path_factory.mktemp("twins") / "template.sqlite"
    return Template.make(path, ACTORS, RICHES, prepare)


@pytest.mark.slow
def test_any_sequence_of_calls_gets_the_same_answers_from_model_and_contract(template):
    """`pytest -s` shows what each verb came to, and how often."""
    Federations.template = template
    run_state_machine_as_test(
        Federations, settings=effort(14, 300, stateful_step_count=50, report_multiple_bugs=False)
    )
    calls = Federations.calls
    for (verb, answer), times in sorted(calls.items()):
        print(f"{verb:20} {answer:30} {times}")
    assert calls["close_round", "accepted"]
    assert calls["settle_round", "accepted"]


def test_every_refusal_has_a_test_of_its_own_on_every_ledger():
    """Which of them a random sequence meets is chance. `WrongAmount` takes 2^128 tokens: contracts/test."""
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    assert set(re.findall(r'refused\("(\w+)"', tests)) == reachable_errors() - {"WrongAmount"}
