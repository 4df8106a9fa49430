"""Two ledgers that are called alike: the in-memory one and the contract on an embedded chain.

Whatever is called or read here is called or read on both, and both must say the same.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import Refused, UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.memory import MemoryFederation
from fl.ledger.port import Ledger
from fl.ledger.types import Address, Event, MemberEvent, Task, Transaction

START = 1_700_000_000
CHAIN_ID = 31337

Prepare = Callable[[Callable[[str], Ledger]], None]
"""Brings a federation to where every example starts; it is given each actor's ledger by name."""


@dataclass(frozen=True)
class Template:
    """A chain file with a federation, prepared once and copied for each pair of twins.

    The first of `names` owns the federation; `riches` says who begins with how many tokens.
    """

    path: Path
    actors: dict[str, LocalAccount]
    contract: Address
    riches: dict[str, int]
    prepare: Prepare

    @classmethod
    def make(cls, path: Path, names: Sequence[str], riches: dict[str, int], prepare: Prepare) -> Template:
        """Deploy, mint and prepare on a new chain at `path`."""
        actors = {name: account_from_seed(b"twins", name) for name in names}
        alloc = {actor.address: 10**24 for actor in actors.values()}
        owner = actors[names[0]]
        with EmbeddedNode.create(path, alloc=alloc, genesis_time=START, virtual_time=True) as node:
            provider = EmbeddedProvider(node)
            contract, token = deploy(provider, owner)
            for name, amount in riches.items():
                mint(provider, owner, token, Address(actors[name].address), amount)
            prepare(lambda name: Web3Ledger(provider, contract, actors[name]))
        return cls(path, actors, contract, riches, prepare)

    def memory(self) -> MemoryFederation:
        """The same federation in memory."""
        owner = Address(next(iter(self.actors.values())).address)
        federation = MemoryFederation(owner, chain_id=CHAIN_ID, contract=self.contract, time=START)
        for name, amount in self.riches.items():
            federation.mint(Address(self.actors[name].address), amount)
        self.prepare(lambda name: federation.as_account(self.actors[name]))
        return federation


class Twins:
    """One federation twice; `calls` counts what each verb came to."""

    def __init__(self, template: Template, path: Path, calls: Counter[tuple[str, str]]) -> None:
        shutil.copy(template.path, path)
        self.calls = calls
        self.actors = template.actors
        self.contract = template.contract
        self._memory = template.memory()
        self._node = EmbeddedNode.open(path)
        provider = EmbeddedProvider(self._node)
        self._ledgers = {
            name: (self._memory.as_account(actor), Web3Ledger(provider, template.contract, actor))
            for name, actor in self.actors.items()
        }
        self.model, self._chain = next(iter(self._ledgers.values()))
        # every accepted call is a block of its own on both: they differ in where they began, and no more
        self._offset = self._chain.task(1).created_at - self.model.task(1).created_at

    def close(self) -> None:
        """Delete the copy of the chain."""
        self._node.close()
        self._node.path.unlink()

    def set_time(self, moment: int) -> None:
        """Move both clocks."""
        self._memory.set_time(moment)
        self._node.set_time(moment)

    def call(self, caller: str, verb: str, *arguments: Any) -> Any:
        """Call both in somebody's name, demand the same answer, and return it, or None for a refusal."""
        return self._both(self._ledgers[caller], verb, arguments)

    def read(self, verb: str, *arguments: Any) -> Any:
        """As `call`, in nobody's name in particular."""
        return self._both((self.model, self._chain), verb, arguments)

    def history(self, task: int, since: int = 0) -> Any:
        """The events of a task, from a block of the model's on."""
        of_memory, of_chain = (
            _answer(ledger, "history", (task, block))
            for ledger, block in ((self.model, since), (self._chain, since + self._offset))
        )
        assert _comparable(of_memory, self._offset) == _comparable(of_chain, 0), (task, since)
        return of_memory[1]

    def _both(self, ledgers: tuple[Ledger, Ledger], verb: str, arguments: tuple[Any, ...]) -> Any:
        of_memory, of_chain = (_answer(ledger, verb, arguments) for ledger in ledgers)
        assert _comparable(of_memory, self._offset) == _comparable(of_chain, 0), (verb, arguments)
        kind, said = of_memory
        self.calls[verb, kind if kind != "refused" else said[0]] += 1
        return said if kind == "accepted" else None


def _answer(ledger: Ledger, verb: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "accepted", getattr(ledger, verb)(*arguments)
    except Refused as refused:
        return "refused", (refused.name, *refused.arguments)
    except UsageError as wrong:
        return "wrong usage", wrong.message


def _comparable(said: Any, offset: int) -> Any:
    """What two ledgers must agree on: all but gas, hashes, and the number of the first block."""
    match said:
        case tuple():
            return [_comparable(part, offset) for part in said]
        case Transaction():
            return said.block + offset, said.time
        case Task():
            return vars(said) | {
                "created_at": said.created_at + offset,
                "opened_at": said.opened_at and said.opened_at + offset,
            }
        case Event() | MemberEvent():
            return type(said), said.facts(), said.at.block + offset, said.at.time
    return said
