"""The in-memory ledger: the rules of the contract behind the ledger port."""
# ruff: noqa: D102 - the port says what each method does

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount

from fl.errors import Refused, UsageError
from fl.ledger import signing
from fl.ledger.abi import checked
from fl.ledger.memory.members import Members
from fl.ledger.memory.rounds import Rounds
from fl.ledger.memory.state import State
from fl.ledger.memory.tasks import Tasks
from fl.ledger.memory.token import Token
from fl.ledger.port import Ledger
from fl.ledger.types import (
    Address,
    Entry,
    Event,
    Member,
    MemberEvent,
    Outcome,
    Result,
    Seat,
    Task,
    TaskParams,
    Transaction,
)

T = TypeVar("T")

DEFAULT_CONTRACT = Address("0x00000000000000000000000000000000FeD1ed6e")


class MemoryFederation:
    """One federation in this process: the Python model of the contract, and of its payment token.

    Every accepted call is a block of its own at the time last set; no clock runs by itself.
    """

    def __init__(
        self,
        owner: Address,
        *,
        chain_id: int = 31337,
        contract: Address = DEFAULT_CONTRACT,
        time: int = 1_700_000_000,
    ) -> None:
        self.state = State(chain_id, contract, owner, time)
        self.token = Token()
        self.members = Members(self.state, self.token)
        self.tasks = Tasks(self.state, self.token)
        self.rounds = Rounds(self.state)
        self._lock = threading.Lock()

    def as_account(self, account: LocalAccount | None = None) -> MemoryLedger:
        """The federation in the name of `account`; read only without one."""
        return MemoryLedger(self, account)

    def set_time(self, time: int) -> None:
        """The time that calls see from now on, in Unix seconds. Raises UsageError for one in the past."""
        if time < self.state.time:
            raise UsageError(f"Time cannot go back from {self.state.time} to {time}.")
        self.state.time = time

    def mint(self, to: Address, amount: int) -> None:
        """Create `amount` of the payment token."""
        self.token.mint(to, amount)

    def transact(self, call: str, rule: Callable[[], T]) -> tuple[Transaction, T]:
        """Run one rule as a block of its own; a refused call leaves nothing behind.

        Rules require first and write afterwards, so there is nothing to undo but the block's number.
        """
        with self._lock:
            self.state.block += 1
            self.state.log_index = 0
            try:
                answer = rule()
            except Refused as refused:
                self.state.block -= 1
                raise Refused(refused.name, *refused.arguments, call=call) from None
            return Transaction(
                self.state.transaction_hash(), self.state.block, self.state.time, gas=0
            ), answer


class MemoryLedger(Ledger):
    """A `MemoryFederation` as one account sees and calls it."""

    def __init__(self, federation: MemoryFederation, account: LocalAccount | None) -> None:
        self._federation = federation
        self._state = federation.state
        self._signer = account

    @property
    def chain_id(self) -> int:
        return self._state.chain_id

    @property
    def contract(self) -> Address:
        return self._state.contract

    @property
    def account(self) -> Address | None:
        return Address(self._signer.address) if self._signer else None

    # --- members

    def admit(self, member: Address, profile: bytes) -> Transaction:
        return self._send("admit", self._federation.members.admit, member, profile)

    def remove(self, member: Address) -> Transaction:
        return self._send("remove", self._federation.members.remove, member)

    def replace(self, old: Address, new: Address, profile: bytes, signature: bytes) -> Transaction:
        return self._send("replace", self._federation.members.replace, old, new, profile, signature)

    def set_payee(self, member: Address, payee: Address) -> Transaction:
        return self._send("setPayee", self._federation.members.set_payee, member, payee)

    def withdraw(self, member: Address) -> Transaction:
        return self._send("withdraw", self._federation.members.withdraw, member)

    # --- tasks

    def set_paused(self, paused: bool) -> Transaction:
        return self._send("setPaused", self._federation.tasks.set_paused, paused)

    def create_task(self, params: TaskParams) -> int:
        return self._execute("createTask", self._federation.tasks.create_task, params)[1]

    def set_aggregator(self, task: int, aggregator: Address) -> Transaction:
        return self._send("setAggregator", self._federation.tasks.set_aggregator, task, aggregator)

    def end_task(self, task: int) -> Transaction:
        return self._send("endTask", self._federation.tasks.end_task, task)

    def fund(self, task: int, amount: int) -> Transaction:
        return self._send("fund", self._federation.tasks.fund, task, amount)

    def defund(self, task: int) -> Transaction:
        return self._send("defund", self._federation.tasks.defund, task)

    def join_task(self, task: int, terms: bytes, policy: bytes) -> Transaction:
        return self._send("joinTask", self._federation.tasks.join_task, task, terms, policy)

    def leave_task(self, task: int) -> Transaction:
        return self._send("leaveTask", self._federation.tasks.leave_task, task)

    def unseat(self, task: int, member: Address) -> Transaction:
        return self._send("unseat", self._federation.tasks.unseat, task, member)

    def reset_weights(self, task: int, weights: bytes, reason: bytes) -> Transaction:
        return self._send("resetWeights", self._federation.tasks.reset_weights, task, weights, reason)

    # --- rounds

    def open_round(self, task: int, round_: int, base: bytes, announcement: bytes) -> Transaction:
        return self._send("openRound", self._federation.rounds.open_round, task, round_, base, announcement)

    def submit_update(self, task: int, round_: int, receipt: bytes) -> Transaction:
        return self._send("submitUpdate", self._federation.rounds.submit_update, task, round_, receipt)

    def submit_update_for(
        self, trainer: Address, task: int, round_: int, receipt: bytes, signature: bytes
    ) -> Transaction:
        arguments = (trainer, task, round_, receipt, signature)
        return self._send("submitUpdateFor", self._federation.rounds.submit_update_for, *arguments)

    def reveal(self, task: int, round_: int, trainer: Address, receipt: bytes) -> Transaction:
        return self._send("reveal", self._federation.rounds.reveal, task, round_, trainer, receipt)

    def close_round(self, task: int, round_: int, result: Result) -> Transaction:
        return self._send("closeRound", self._federation.rounds.close_round, task, round_, result)

    def settle_round(
        self, task: int, round_: int, settle_after: int, entries: Sequence[Entry]
    ) -> Transaction:
        arguments = (task, round_, settle_after, tuple(entries))
        return self._send("settleRound", self._federation.rounds.settle_round, *arguments)

    def void_round(self, task: int, round_: int, reason: bytes) -> Transaction:
        return self._send("voidRound", self._federation.rounds.void_round, task, round_, reason)

    def fail_round(self, task: int, round_: int, reason: bytes) -> Transaction:
        return self._send("failRound", self._federation.rounds.fail_round, task, round_, reason)

    # --- signatures

    def sign_submission(self, task: int, round_: int, receipt: bytes) -> bytes:
        submission = Address(self._account().address), task, round_, receipt
        checked("submissionDigest", submission)
        return self._sign(signing.submission(self.chain_id, self.contract, *submission))

    def sign_replacement(self, old: Address, new: Address, profile: bytes) -> bytes:
        checked("replacementDigest", (old, new, profile))
        return self._sign(signing.replacement(self.chain_id, self.contract, old, new, profile))

    def sign_introduction(self, task: int, run: int, node: int) -> bytes:
        trainer = Address(self._account().address)
        return self._sign(signing.introduction(self.chain_id, self.contract, trainer, task, run, node))

    # --- reading

    def confirmed(self) -> Ledger:
        return self

    def now(self) -> int:
        return self._state.time

    def owner(self) -> Address:
        return self._state.owner

    def paused(self) -> bool:
        return self._state.paused

    def task_count(self) -> int:
        return len(self._state.tasks)

    def task(self, task: int) -> Task:
        checked("taskOf", [task])
        return self._state.known(task)

    def member(self, member: Address) -> Member:
        checked("memberOf", [member])
        return self._state.member(member)

    def seat(self, task: int, member: Address) -> Seat:
        checked("seatOf", (task, member))
        return self._state.seat(task, member)

    def payee(self, member: Address) -> Address:
        checked("payeeOf", [member])
        return self._state.payee(member)

    def outcome(self, task: int, round_: int) -> Outcome:
        checked("outcomeOf", (task, round_))
        return self._state.outcome(task, round_)

    def history(self, task: int, since: int = 0) -> tuple[Event, ...]:
        self.task(task)
        return tuple(event for event in self._state.events[task] if event.at.block >= since)

    def member_history(self) -> tuple[MemberEvent, ...]:
        return tuple(self._state.member_events)

    def gas(self, transaction: bytes) -> int:  # noqa: ARG002 - nothing costs gas here
        return 0

    # --- the payment token

    def token_balance(self, holder: Address) -> int:
        checked("balanceOf", [holder])
        return self._federation.token.balance(holder)

    def approve(self, amount: int) -> Transaction:
        return self._send("approve", self._federation.token.approve, self.contract, amount)

    # --- in this account's name

    def _send(self, call: str, rule: Callable[..., object], *arguments: object) -> Transaction:
        return self._execute(call, rule, *arguments)[0]

    def _execute(self, call: str, rule: Callable[..., T], *arguments: object) -> tuple[Transaction, T]:
        sender = self._account().address
        checked(call, arguments)
        return self._federation.transact(call, lambda: rule(sender, *arguments))

    def _sign(self, message: SignableMessage) -> bytes:
        return signing.sign(message, self._account())

    def _account(self) -> LocalAccount:
        if self._signer is None:
            raise UsageError("This ledger only reads.", "Open it with an account to call the contract.")
        return self._signer
