"""Submissions a second: the embedded chain, in process and served, against anvil on the same machine.

The target is for the chain in process, as `fl run` has it; what serving it costs is shown beside.
All go the way that a site's submission goes, `Web3Ledger.submit_update`: simulate, sign, send, wait for the
receipt. The chains take turns, ten submissions at a time, so that what else the machine does hits all alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from federation import Federation, addresses, digest
from figures import Figure
from nodes import Anvil, ServedChain

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.ledger.node import http_provider

HERE, SERVED, ANVIL = "embedded chain, in process", "embedded chain, served", "anvil"
TRAINERS = 10
TURNS = 12


def figures() -> Iterator[Figure]:
    """The rate of each chain, and the embedded chain's against anvil's."""
    with TemporaryDirectory(prefix="fedledger-bench-") as folder, ExitStack() as running:
        chains = _chains(Path(folder), running)
        for federation in chains.values():
            _turn(federation)  # warm
        rates = {name: [] for name in chains}
        for _ in range(TURNS):
            for name, federation in chains.items():
                rates[name].append(_turn(federation))
    for name in chains:
        yield Figure(f"submissions: {name}", median(rates[name]), "a second")
    for name, bound in ((HERE, 0.5), (SERVED, None)):
        ratio = median(ours / theirs for ours, theirs in zip(rates[name], rates[ANVIL], strict=True))
        yield Figure(f"submissions: {name}, against anvil", ratio, "of anvil's rate", "at least", bound)


def _chains(folder: Path, running: ExitStack) -> dict[str, Federation]:
    alloc = dict.fromkeys(addresses(TRAINERS).values(), 10**21)
    node = running.enter_context(EmbeddedNode.create(folder / "here.sqlite", alloc=alloc))
    EmbeddedNode.create(folder / "served.sqlite", alloc=alloc).close()
    served = running.enter_context(ServedChain(folder / "served.sqlite"))
    anvil = running.enter_context(Anvil(folder))
    anvil.give(*alloc)
    providers = {
        HERE: EmbeddedProvider(node),
        SERVED: http_provider(served.url),
        ANVIL: http_provider(anvil.url),
    }
    return {name: Federation(provider, TRAINERS) for name, provider in providers.items()}


def _turn(federation: Federation) -> float:
    """Submissions a second in one round, which then fails."""
    task, aggregator = federation.task, federation.aggregator
    round_ = aggregator.task(task).round + 1
    aggregator.open_round(task, round_, digest("weights 0"), digest("announcement"))
    begin = perf_counter()
    for trainer in federation.trainers:
        trainer.submit_update(task, round_, digest("receipt"))
    took = perf_counter() - begin
    aggregator.fail_round(task, round_, digest("done"))
    return len(federation.trainers) / took
