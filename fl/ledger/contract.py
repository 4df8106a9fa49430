"""The federation's contract over a node: one class, one method a call."""
# ruff: noqa: D102 - the port says what each method does

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import partial
from typing import Any

from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from web3.providers import BaseProvider

from fl.addresses import checksummed
from fl.errors import LedgerUnavailable, Refused, UsageError
from fl.ledger import events, logs, signing
from fl.ledger.abi import call_data, checked, fields_of
from fl.ledger.answers import Log, Receipt
from fl.ledger.logs import CHUNK
from fl.ledger.node import CHECK, NoContract, Node
from fl.ledger.port import Ledger
from fl.ledger.transactions import Sending
from fl.ledger.types import (
    Address,
    Entry,
    Event,
    Member,
    MemberEvent,
    Outcome,
    Result,
    Seat,
    Stage,
    Task,
    TaskParams,
    Transaction,
)

# What `outcomeOf` says in place of a digest, once nothing is pending.
STAGES = {0: Stage.NONE, 1: Stage.SETTLED, 2: Stage.VOID, 3: Stage.FAILED}


class Web3Ledger(Ledger):
    """A deployed federation in the name of `account`, or read only.

    `provider` is any of web3's synchronous ones (`fl.ledger.node.http_provider` makes one for a URL).
    `confirmations` says when a transaction counts: 0 while it waits, for chains that take nothing back;
    1 once a block holds it; N with N - 1 blocks on top of that one.
    Opening asks the node for its chain and the contract: raises LedgerUnavailable when it does not answer or
    has not caught up with the chain, UsageError when the address holds no federation.
    """

    def __init__(
        self,
        provider: BaseProvider,
        contract: Address,
        account: LocalAccount | None = None,
        *,
        confirmations: int = 0,
    ) -> None:
        if confirmations < 0:
            raise UsageError(f"A transaction cannot have {confirmations} confirmations.", "Give 0 or more.")
        self._node = Node(provider)
        self._confirmations = confirmations
        self._at: int | None = None  # the block of a view; None: the pending one
        self._node.demand_contract(contract)
        self._contract = Address(checksummed(contract))
        self._signer = account
        self._node.demand_whole_chain()
        self._token = self._opened()
        self._node.demand_contract(self._token)
        self._block_times: dict[bytes, int] = {}
        self._events: dict[tuple[bytes, int], Event] = {}
        self._known: dict[int, tuple[int, Sequence[Log]]] = {}  # of a task: from which block on

    def _opened(self) -> Address:
        """The payment token of what must be a federation of this release (EIP-5267)."""
        try:
            _, name, version, *_ = self._read("eip712Domain")
            token = Address(self._read("token"))
        except (Refused, NoContract) as error:
            raise UsageError(f"The contract at {self.contract} is no federation.", CHECK) from error
        if (name, version) != (signing.NAME, signing.VERSION):
            said = f"The contract at {self.contract} is {name!r:.40} in version {version!r:.40}"
            raise UsageError(f"{said}, not {signing.NAME!r} in version {signing.VERSION!r}.", CHECK)
        return token

    @property
    def chain_id(self) -> int:
        return self._node.chain_id

    @property
    def contract(self) -> Address:
        return self._contract

    @property
    def account(self) -> Address | None:
        return Address(self._signer.address) if self._signer else None

    # --- members

    def admit(self, member: Address, profile: bytes) -> Transaction:
        return self._send("admit", member, profile)

    def remove(self, member: Address) -> Transaction:
        return self._send("remove", member)

    def replace(self, old: Address, new: Address, profile: bytes, signature: bytes) -> Transaction:
        return self._send("replace", old, new, profile, signature)

    def set_payee(self, member: Address, payee: Address) -> Transaction:
        return self._send("setPayee", member, payee)

    def withdraw(self, member: Address) -> Transaction:
        return self._send("withdraw", member)

    # --- tasks

    def set_paused(self, paused: bool) -> Transaction:
        return self._send("setPaused", paused)

    def create_task(self, params: TaskParams) -> int:
        receipt = self._execute(self._contract, "createTask", params)
        (created,) = receipt.logs
        return int.from_bytes(created.topics[1], "big")

    def set_aggregator(self, task: int, aggregator: Address) -> Transaction:
        return self._send("setAggregator", task, aggregator)

    def end_task(self, task: int) -> Transaction:
        return self._send("endTask", task)

    def fund(self, task: int, amount: int) -> Transaction:
        return self._send("fund", task, amount)

    def defund(self, task: int) -> Transaction:
        return self._send("defund", task)

    def join_task(self, task: int, terms: bytes, policy: bytes) -> Transaction:
        return self._send("joinTask", task, terms, policy)

    def leave_task(self, task: int) -> Transaction:
        return self._send("leaveTask", task)

    def unseat(self, task: int, member: Address) -> Transaction:
        return self._send("unseat", task, member)

    def reset_weights(self, task: int, weights: bytes, reason: bytes) -> Transaction:
        return self._send("resetWeights", task, weights, reason)

    # --- rounds

    def open_round(self, task: int, round_: int, base: bytes, announcement: bytes) -> Transaction:
        return self._send("openRound", task, round_, base, announcement)

    def submit_update(self, task: int, round_: int, receipt: bytes) -> Transaction:
        return self._send("submitUpdate", task, round_, receipt)

    def submit_update_for(
        self, trainer: Address, task: int, round_: int, receipt: bytes, signature: bytes
    ) -> Transaction:
        return self._send("submitUpdateFor", trainer, task, round_, receipt, signature)

    def reveal(self, task: int, round_: int, trainer: Address, receipt: bytes) -> Transaction:
        return self._send("reveal", task, round_, trainer, receipt)

    def close_round(self, task: int, round_: int, result: Result) -> Transaction:
        return self._send("closeRound", task, round_, result)

    def settle_round(
        self, task: int, round_: int, settle_after: int, entries: Sequence[Entry]
    ) -> Transaction:
        return self._send("settleRound", task, round_, settle_after, tuple(entries))

    def void_round(self, task: int, round_: int, reason: bytes) -> Transaction:
        return self._send("voidRound", task, round_, reason)

    def fail_round(self, task: int, round_: int, reason: bytes) -> Transaction:
        return self._send("failRound", task, round_, reason)

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
        if self._confirmations == 0:
            return self
        view = copy(self)  # which shares the caches
        view._at = self._confirmed_block()
        return view

    def _confirmed_block(self) -> int:
        block = self._node.head() - self._confirmations + 1
        if block < 0 or not self._node.holds_code(self.contract, block):
            message = f"The contract at {self.contract} has no {self._confirmations} confirmations yet."
            raise LedgerUnavailable(message, "Try again once the chain has made more blocks.")
        return block

    def now(self) -> int:
        return self._node.now() if self._at is None else self._node.block_time(self._at)

    def owner(self) -> Address:
        return Address(self._read("owner"))

    def paused(self) -> bool:
        return bool(self._read("paused"))

    def task_count(self) -> int:
        return int(self._read("taskCount"))

    def task(self, task: int) -> Task:
        found = Task(**fields_of(self._read("taskOf", task)))
        if found.created_at == 0:
            raise Refused("UnknownTask", call="taskOf")
        return found

    def member(self, member: Address) -> Member:
        return Member(**fields_of(self._read("memberOf", member)))

    def seat(self, task: int, member: Address) -> Seat:
        return Seat(**fields_of(self._read("seatOf", task, member)))

    def payee(self, member: Address) -> Address:
        return Address(self._read("payeeOf", member))

    def outcome(self, task: int, round_: int) -> Outcome:
        word = bytes(self._read("outcomeOf", task, round_))
        stage = STAGES.get(int.from_bytes(word, "big"))
        return Outcome(Stage.PENDING, word) if stage is None else Outcome(stage)

    def history(self, task: int, since: int = 0) -> tuple[Event, ...]:
        checked("taskOf", [task])
        names = events.topics(events.TASK_EVENTS)
        topics = [list(names), [task.to_bytes(32, "big")]]
        found = self._found(topics, task, since or self.task(task).created_at)
        return tuple(self._event(names, log) for log in found)

    def _found(self, topics: Sequence[Sequence[bytes]], task: int, first: int) -> Sequence[Log]:
        """Logs of a task from a block on; what was read before is read again from its newest block on."""
        begun, known = self._known.get(task, (first, ()))
        if first < begun:
            begun, known = first, ()
        found = logs.renewed(known, partial(self._logs, topics), begun, self._last())
        self._known[task] = begun, found
        return [log for log in found if log.block >= first]

    def _event(self, names: dict[bytes, str], log: Log) -> Event:
        """A log as an event; decoded once, for what a block says never changes."""
        place = log.block_hash, log.log_index
        if place not in self._events:
            self._events[place] = events.task_event(names[log.topics[0]], log, self._time(log))
        return self._events[place]

    def member_history(self) -> tuple[MemberEvent, ...]:
        names = events.topics(events.MEMBER_EVENTS)
        # finding the deployment takes some requests, and saves one for each chunk of blocks before it
        first = self._node.birth(self.contract) if self._node.head() > 2 * CHUNK else 0
        return tuple(
            events.member_event(names[log.topics[0]], log, self._time(log))
            for log in self._scan([list(names)], first)
        )

    def gas(self, transaction: bytes) -> int:
        receipt = self._node.receipt(transaction)
        if receipt is None:
            raise LedgerUnavailable(f"{self._node.name} knows no transaction 0x{transaction.hex()}.")
        return receipt.gas_used

    # --- the payment token

    def token_balance(self, holder: Address) -> int:
        return int(self._call(self._token, "balanceOf", holder))

    def approve(self, amount: int) -> Transaction:
        return self._transaction(self._execute(self._token, "approve", self.contract, amount))

    # --- the node

    def _read(self, function: str, *arguments: object) -> Any:
        return self._call(self._contract, function, *arguments)

    def _call(self, contract: Address, function: str, *arguments: object) -> Any:
        if self._at is None:
            return self._node.call(contract, function, *arguments)
        block = self._at
        return self._node.patiently(lambda: self._node.call(contract, function, *arguments, block=block))

    def _send(self, function: str, *arguments: object) -> Transaction:
        return self._transaction(self._execute(self._contract, function, *arguments))

    def _execute(self, contract: Address, function: str, *arguments: object) -> Receipt:
        account, data = self._account(), call_data(function, arguments)
        return Sending(self._node, account, contract, data, function, self._confirmations).send()

    def _transaction(self, receipt: Receipt) -> Transaction:
        time = self._node.block_time(receipt.block)
        return Transaction(receipt.transaction, receipt.block, time, receipt.gas_used)

    def _scan(self, topics: Sequence[Sequence[bytes]], first: int) -> Iterator[Log]:
        return logs.scan(partial(self._logs, topics), first, self._last())

    def _last(self) -> int:
        return self._node.head() if self._at is None else self._at

    def _logs(self, topics: Sequence[Sequence[bytes]], first: int, last: int) -> list[Log]:
        def ask() -> list[Log]:
            return self._node.logs(self._contract, topics, first, last)

        return ask() if first < last else self._node.patiently(ask)

    def _time(self, log: Log) -> int:
        """Newer nodes say it with the log, as the execution API has it; others are asked once for a block."""
        if log.time is not None:
            return log.time
        if log.block_hash not in self._block_times:
            self._block_times[log.block_hash] = self._node.block_time(log.block_hash)
        return self._block_times[log.block_hash]

    def _sign(self, message: SignableMessage) -> bytes:
        return signing.sign(message, self._account())

    def _account(self) -> LocalAccount:
        if self._signer is None:
            raise UsageError("This ledger only reads.", "Open it with an account to call the contract.")
        return self._signer
