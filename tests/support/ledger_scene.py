"""A federation that tests call at random: who takes part, how it begins, what must always be the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from ledger_arguments import LARGEST, announcement, digest, params, result_of
from twins import Template, Twins

from fl.ledger.abi import FEDERATION, TOKEN, artifact
from fl.ledger.port import Ledger
from fl.ledger.types import FULL_QUALITY, Address, Task

TRAINERS = ("ada", "bert", "cleo", "dora")
HEIRS = ("eve", "finn")
ACTORS = ("owner", "aggregator", "deputy", "sponsor", "stranger", *TRAINERS, *HEIRS)
PEOPLE = (*ACTORS, "nobody", "federation")
RICHES = {"sponsor": 2**128 + 10**6, "stranger": 500}
"""Who begins with how many tokens: more than a federation may hold, and few."""


def prepare(ledger: Callable[[str], Ledger]) -> None:
    """Three members in two funded tasks, the first round of each played and closed.

    The second task wants two trainers, has the shortest of windows, and money for three rounds.
    """
    address = {name: Address(str(ledger(name).account)) for name in ACTORS}
    members = TRAINERS[:3]
    ledger("sponsor").approve(LARGEST)
    for name in members:
        ledger("owner").admit(address[name], digest(f"profile of {name}"))
    usual = params(address["aggregator"], address["sponsor"])
    short = replace(usual, quorum=2, window=1, close_window=2, settle_delay=0, reward=7)
    for task, wanted, funds in ((1, usual, 20_000), (2, short, 3 * short.reward)):
        ledger("owner").create_task(wanted)
        ledger("sponsor").fund(task, funds)
        for name in members:
            ledger(name).join_task(task, digest("terms"), digest("policy"))
        ledger("aggregator").open_round(task, 1, digest("initial weights"), announcement(1))
        for name in members:
            ledger(name).submit_update(task, 1, receipt(name))
        result = result_of(1, [(address[name], receipt(name)) for name in members], [(3, FULL_QUALITY)] * 3)
        ledger("aggregator").close_round(task, 1, result)


def receipt(name: str) -> bytes:
    return digest(f"receipt of {name}")


ELSEWHERE: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("end_task", "defund", "leave_task", "task", "history"), ()),
    **dict.fromkeys(("void_round", "fail_round", "submit_update"), (1, digest("why"))),
    "join_task": (digest("terms"), digest("policy")),
    "reset_weights": (digest("weights"), digest("why")),
    "open_round": (1, digest("initial weights"), announcement(1)),
    "close_round": (1, result_of(1, [], [])),
    "settle_round": (1, 0, ()),
    "outcome": (1,),
    "fund": (1,),
}
"""Arguments for calls about tasks that are not there, after the task's number."""

CALLERS = {"end_task": "owner", "reset_weights": "owner", "void_round": "owner", "fund": "sponsor"}
"""Who may make such a call; anybody may make the others."""

UNREACHABLE = {
    "InvalidShortString": "only a constructor's",
    "StringTooLong": "only a constructor's",
    "OwnableInvalidOwner": "nobody transfers the ownership here",
    "ReentrancyGuardReentrantCall": "the token here does not call back; contracts/test has one that does",
    "SafeERC20FailedOperation": "the token here says why it fails; contracts/test has one that does not",
    "ERC20InvalidApprover": "nobody sends from the zero address",
    "ERC20InvalidSender": "nobody sends from the zero address",
    "ERC20InvalidSpender": "the federation is not at the zero address",
    "ERC20InvalidReceiver": "no payee and no sponsor is the zero address",
    "TaskFull": "takes 512 trainers; contracts/test has them",
}
"""Custom errors that no call from here can meet, and why."""


def reachable_errors() -> set[str]:
    """Every custom error that the contracts declare, but those."""
    abi = artifact(FEDERATION).abi + artifact(TOKEN).abi
    return {item["name"] for item in abi if item["type"] == "error"} - UNREACHABLE.keys()


class Scene(RuleBasedStateMachine):
    """One federation in memory and one on a chain, both as `prepare` left them."""

    template: ClassVar[Template]
    calls: ClassVar[Counter[tuple[str, str]]] = Counter()
    number: ClassVar[count[int]] = count()

    def __init__(self) -> None:
        super().__init__()
        path = self.template.path.with_name(f"{next(self.number)}.sqlite")
        self.twins = Twins(self.template, path, self.calls)
        self.addresses = {name: Address(actor.address) for name, actor in self.twins.actors.items()}
        self.names = {address: name for name, address in self.addresses.items()}
        self.addresses |= {"nobody": Address("0x" + "00" * 20), "federation": self.twins.contract}

    def teardown(self) -> None:
        try:
            self.same_everywhere()
        finally:
            self.twins.close()

    def same_everywhere(self) -> None:
        """Every answer of the port, about everybody."""
        read, tasks = self.twins.read, range(1, self.twins.model.task_count() + 1)
        for verb in ("now", "owner", "paused", "task_count", "member_history"):
            read(verb)
        for name in (*TRAINERS, *HEIRS):
            for verb in ("member", "payee"):
                read(verb, self.addresses[name])
            for task in tasks:
                read("seat", task, self.addresses[name])
        for address in self.addresses.values():
            read("token_balance", address)
        for task in tasks:
            self.twins.history(task)
            for round_ in range(read("task", task).round + 2):
                read("outcome", task, round_)

    # --- what the rules share

    def of_task(self, caller: str | None, usual: str, verb: str, task: int, *arguments: Any) -> bool:
        """Call both; an accepted call must have left the same task and the same events behind."""
        return self._in(task, self.twins.call(caller or usual, verb, task, *arguments))

    def _in(self, task: int, sent: Any) -> bool:
        if sent is not None:
            self.twins.read("task", task)
            self.twins.history(task, sent.block)
        return sent is not None

    def of_member(self, caller: str | None, usual: str, verb: str, *arguments: Any) -> None:
        if self.twins.call(caller or usual, verb, *arguments) is not None:
            self.twins.read("member_history")

    def known(self, task: int) -> Task:
        return self.twins.model.task(task)

    def now(self) -> int:
        return self.twins.model.now()

    def aggregator(self, task: int) -> str:
        return self.names.get(self.known(task).aggregator, "stranger")

    def payee(self, member: str) -> str:
        return self.names.get(self.twins.model.payee(self.addresses[member]), "stranger")

    def round(self, task: int, step: int = 0) -> int:
        return max(0, self.known(task).round + step)
