"""An app deployed by Flower on a SuperLink and three SuperNodes, without a chain and with one.

Everything is real and on this machine: anvil, with a block for each transaction, and an IPFS node. A round is
training and evaluation; the first of a run is left out, because nodes introduce themselves and install the
app. Runs of both take turns on the same nodes, so that what else the machine does hits both alike.

A small model's round is what Flower takes to look for messages and to start a process for each, two a site;
ours import eth_account and web3 as well.

A large model's round adds what is moved. By plain Flower that is nine models for three sites: to train, back,
to evaluate. Ours moves ten through the store: at each site the new weights, which serve the evaluation and
the next training, and the sealed update; at the aggregator three updates and the new weights. Each is hashed,
and updates are sealed and opened. Here all parties and the IPFS node share the machine's cores; on machines
of their own the sites' part runs in parallel.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from consortium import ADDER, SITES, Consortium
from figures import Figure
from nodes import Anvil, Kubo
from superlink import Federation, Proxy

SMALL, LARGE = 1_000, 25_000_000
"""Elements of four bytes: 4 kB, and 100 MB."""

ROUNDS, TURNS = 3, 2
PATIENCE = 900.0
"""Seconds for one run."""


def figures() -> Iterator[Figure]:
    """Our rounds against plain Flower's, and what chain and store have of ours."""
    with _deployed() as stage:
        ours, theirs = stage.turns(SMALL, TURNS)
        yield Figure("deployed, small model: plain Flower's round", theirs, "s")
        yield Figure("deployed, small model: our round", ours, "s")
        yield Figure("deployed, small model: our round against plain Flower's", ours / theirs, "", bound=1)
        ours, theirs = stage.turns(LARGE, 1)
        yield Figure("deployed, 100 MB: plain Flower's round", theirs, "s")
        yield Figure("deployed, 100 MB: our round", ours, "s")
        yield Figure("deployed, 100 MB: plain Flower's round against ours", theirs / ours, "", "at least", 2)
        yield stage.share_of_chain_and_store()


class Stage:
    """A consortium whose sites have SuperNodes; `proxies` stand before chain and store, for who watches."""

    def __init__(self, consortium: Consortium, federation: Federation, proxies: tuple[Proxy, Proxy]) -> None:
        self._consortium = consortium
        self._federation = federation
        self._proxies = proxies

    def turns(self, elements: int, turns: int) -> tuple[float, float]:
        """Seconds of our round, and of plain Flower's: the medians of all but first rounds."""
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(turns):
            theirs += self._run(ADDER, elements)
            ours += self.on_chain(elements)
        return median(ours), median(theirs)

    def on_chain(self, elements: int, **settings: float) -> list[float]:
        """Seconds of the rounds of a new task."""
        self._consortium.new_task(elements)
        aggregator = str(self._consortium.configuration("aggregator"))
        return self._run(self._consortium.app, elements, aggregator=aggregator, **settings)

    def share_of_chain_and_store(self) -> Figure:
        """How much of a round with a second of training somebody waits for an answer of chain or store.

        Over the whole run, the introductions included. Not counted is what sites and aggregator do
        themselves, such as sealing.
        """
        chain, store = self._proxies
        self._consortium.rpc = f"http://127.0.0.1:{chain.port}"
        self._consortium.store = f"/ip4/127.0.0.1/tcp/{store.port}"
        known = [len(proxy.asked) for proxy in self._proxies]
        seconds = self.on_chain(SMALL, seconds=1.0)
        spans = [span for proxy, old in zip(self._proxies, known, strict=True) for span in proxy.asked[old:]]
        name = "deployed, small model, 1 s of training: asking chain and store"
        return Figure(name, 100 * _covered(spans) / ROUNDS / median(seconds), "% of a round")

    def _run(self, app: Path, elements: int, **settings: str | float) -> list[float]:
        run = self._federation.begin(app, num_server_rounds=ROUNDS, elements=elements, **settings)
        ended = run.end(PATIENCE)
        if ended != "finished:completed":
            raise RuntimeError(f"{app} ended as {ended}: {run.said()}")
        moments = [float(moment) for moment in re.findall(r"after round \d+: ([\d.]+) s", run.said())]
        first, *rest = [after - before for before, after in pairwise(moments)]
        print(f"{'plain' if app == ADDER else 'ours'}: {first:.1f} s, then {rest}", file=sys.stderr)
        return rest


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in at least one of the spans."""
    covered, until = 0.0, 0.0
    for began, ended in sorted(spans):
        covered += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return covered


@contextmanager
def _deployed() -> Iterator[Stage]:
    with ExitStack() as stack:
        start = stack.enter_context
        folder = Path(start(TemporaryDirectory(prefix="fedledger-bench-")))
        chain, store = start(Anvil(folder)), start(Kubo(folder))
        proxies = (start(Proxy(int(chain.url.rsplit(":")[-1]))), start(Proxy(store.port)))
        consortium = Consortium(folder, chain, store.address)
        federation = start(Federation(folder))
        federation.join({name: consortium.node_config(name) for name in SITES})
        yield Stage(consortium, federation, proxies)
