"""Which nodes speak for which trainers: each says it once, and signs for this run and this node."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from collections.abc import Set as AbstractSet

from eth_utils.address import is_checksum_address
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from aggregator.draw import members
from aggregator.exchange import POLL_SECONDS, Exchange
from fl.ledger import signing
from fl.ledger.port import Ledger
from fl.ledger.types import Address
from fl.messages import INTRODUCE

_log = logging.getLogger("fedledger.aggregator")


class Trainers:
    """The nodes of a grid that belong to trainers who have a seat in a task.

    `kind` is the type of the app's train messages. A statement that somebody else signed, or that was signed
    for another run or node, is none: nobody can draw a trainer's messages to a node of its own.
    """

    def __init__(self, grid: Grid, ledger: Ledger, task: int, kind: str) -> None:
        self._grid = grid
        self._ledger = ledger
        self._task = task
        self._kind = kind
        self._letters = Exchange(grid)
        self._of: dict[int, Address] = {}  # by node
        self._strangers: set[int] = set()

    def forgive(self) -> None:
        """Ask those again that gave no good answer, or none; let go of those that have no seat any more."""
        self._strangers.clear()
        self._letters.forget()
        seated = self._seated()
        self._of = {node: trainer for node, trainer in self._of.items() if trainer in seated}

    def _seated(self) -> AbstractSet[Address]:
        """Whoever has a seat: by the events, which take one request for all trainers together."""
        return members(self._ledger.confirmed().history(self._task))

    def meet(self) -> bool:
        """Ask new nodes whose they are, and hear what was answered; whether a trainer is new."""
        known = self._of.keys() | self._strangers | self._letters.waiting
        new = [node for node in self._grid.get_node_ids() if node not in known]
        self._letters.send(self._question(node) for node in new)
        replies = self._letters.collect()
        seated = self._seated() if replies else frozenset()
        heard = [self._hear(node, reply, seated) for node, reply in replies.items()]
        return any(heard)

    def wait(self, seconds: float, seats: int) -> None:
        """Meet the nodes that are there; wait for answers, at most `seconds`, until all seats have a node."""
        until = time.monotonic() + seconds
        self.meet()
        while self._letters.waiting and len(self.nodes()) < seats and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            self.meet()

    def nodes(self, invited: Collection[str] | None = None) -> dict[Address, int]:
        """The node of each trainer that is there (None: of all), in the order of the nodes.

        Of two nodes that speak for one trainer, the one that came later: a site was started anew.
        """
        here = set(self._grid.get_node_ids())
        found = {trainer: node for node, trainer in self._of.items() if node in here}
        chosen = found.items() if invited is None else ((t, n) for t, n in found.items() if t in invited)
        return dict(sorted(chosen, key=lambda item: item[1]))

    def _question(self, node: int) -> Message:
        return Message(RecordDict({INTRODUCE: ConfigRecord()}), dst_node_id=node, message_type=self._kind)

    def _hear(self, node: int, reply: Message, seated: AbstractSet[Address]) -> bool:
        """Take a node's word, if it is good; whether it is."""
        trainer = None if reply.has_error() else self._signed_by(node, reply)
        if trainer is None or trainer not in seated:
            _log.warning("node %s signed for no trainer of this task", node)
            self._strangers.add(node)
            return False
        self._of[node] = trainer
        return True

    def _signed_by(self, node: int, reply: Message) -> Address | None:
        """Who signed that this node is its own."""
        said = reply.content.config_records.get(INTRODUCE, ConfigRecord())
        trainer, signature = said.get("trainer"), said.get("signature")
        if not (isinstance(trainer, str) and is_checksum_address(trainer) and isinstance(signature, bytes)):
            return None
        ledger, run = self._ledger, self._grid.run.run_id
        statement = signing.introduction(
            ledger.chain_id, ledger.contract, Address(trainer), self._task, run, node
        )
        return Address(trainer) if signing.signer(statement, signature) == trainer else None
