"""An app with the two lines on a real SuperLink and SuperNodes, a real chain and a real IPFS node.

The mod holds the site, no agent. How fast the machine is does not matter: sites are held in training until
what is awaited has happened, and the chain's clock is moved.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from consortium import ADDER, SITES, Consortium
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import FedAvg
from nodes import Anvil, Kubo, eventually
from superlink import BIN, Federation, Proxy, Run, marked

from experiments.grid import InProcessGrid
from fl.ledger.types import Stage

pytestmark = pytest.mark.slow(minutes=1)

PATIENCE = 300.0
ELEMENTS = 1_000_000  # a model of 4 MB


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    folder = tmp_path_factory.mktemp("consortium")
    with Anvil(folder) as chain, Kubo(folder) as store:
        yield Consortium(folder, chain, store.address)


@pytest.fixture(scope="module")
def federation(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A SuperLink and a SuperNode for each site, with a proxy between them."""
    folder = tmp_path_factory.mktemp("flower")
    with Federation(folder) as running:
        yield running
    assert not marked(folder), "something goes on running"


@pytest.fixture(scope="module")
def proxies(consortium: Consortium, federation: Federation) -> Iterator[dict[str, Proxy]]:
    with ExitStack() as stack:
        between = {name: stack.enter_context(Proxy(federation.link.port)) for name in SITES}
        ports = {name: proxy.port for name, proxy in between.items()}
        federation.join({name: consortium.node_config(name) for name in SITES}, ports)
        yield between


def begin(federation: Federation, consortium: Consortium, rounds: int, **settings: str | int) -> Run:
    aggregator = str(consortium.configuration("aggregator"))
    return federation.begin(consortium.app, aggregator=aggregator, num_server_rounds=rounds, **settings)


def verified(consortium: Consortium, task: int) -> bool:
    """Whether `fl verify` finds nothing wrong."""
    place = ("--rpc", consortium.chain.url, "--contract", consortium.contract, "--store", consortium.store)
    return subprocess.run([BIN / "fl", "verify", *place, "--task", str(task)], check=False).returncode == 0


def plain(rounds: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The model of the plain app on the same sites, by plain Flower."""
    monkeypatch.syspath_prepend(ADDER)
    nodes = [{"number": 1 + position, "folder": str(folder)} for position, _ in enumerate(SITES)]
    initial = ArrayRecord({"vector": Array(np.zeros(ELEMENTS, np.float32))})
    with InProcessGrid("adder.client_app:app", nodes) as grid:
        return FedAvg().start(grid, initial, rounds).arrays["vector"].numpy()


def test_three_rounds_give_plain_flowers_model_and_no_array_passes_the_superlink(
    consortium, federation, proxies, tmp_path, monkeypatch
):
    task = consortium.new_task(ELEMENTS)
    before = {name: proxies[name].content for name in SITES}
    run = begin(federation, consortium, 3, elements=ELEMENTS, save=str(tmp_path / "model.npy"))
    assert run.end(PATIENCE) == "finished:completed", run.said()
    passed = {name: proxies[name].content - before[name] for name in SITES}

    assert all(content < 3 * 20_000 for content in passed.values()), passed
    for name in SITES:
        assert consortium.trained(name) == [
            word for round_ in (1, 2, 3) for word in (f"train {round_}", "evaluate")
        ]
    assert verified(consortium, task)
    found = np.load(tmp_path / "model.npy")
    np.testing.assert_allclose(found, plain(3, tmp_path, monkeypatch), rtol=0, atol=1e-6)


def test_a_new_run_goes_on_at_the_chains_round_when_superlink_node_or_server_were_killed(
    consortium, federation, proxies
):
    task = consortium.new_task(1000)
    with consortium.held("ada"):
        begin(federation, consortium, 2, elements=1000)
        eventually(lambda: consortium.submitted(task, 1) == {"bert", "cleo"}, PATIENCE)
        eventually(lambda: consortium.trained("ada") == ["train 1"], PATIENCE)
        federation.link.kill()
        federation.nodes["ada"].kill()
    federation.link.start()
    federation.join({"ada": consortium.node_config("ada")})

    with consortium.held("cleo"):  # who has submitted, and is not asked to train again in round 1
        begin(federation, consortium, 2, elements=1000)
        eventually(lambda: consortium.submitted(task, 2) == {"ada", "bert"}, PATIENCE)
        eventually(lambda: consortium.trained("cleo")[-1] == "train 2", PATIENCE)
        federation.kill("flwr-serverapp")
    run = begin(federation, consortium, 2, elements=1000)
    assert run.end(PATIENCE) == "finished:completed", run.said()

    trained = {name: [line for line in consortium.trained(name) if line != "evaluate"] for name in SITES}
    assert trained == {
        "ada": ["train 1", "train 1", "train 2"],  # she was killed before she submitted
        "bert": ["train 1", "train 2"],
        "cleo": ["train 1", "train 2"],
    }
    assert [consortium.outcome(task, round_) for round_ in (1, 2)] == [Stage.SETTLED, Stage.SETTLED]
    assert verified(consortium, task)


def test_rounds_end_without_a_node_that_is_killed_or_never_answers(consortium, federation, proxies):
    task = consortium.new_task(1000, window=120, close_window=120)
    with consortium.held("cleo"):
        run = begin(federation, consortium, 3, elements=1000)
        eventually(lambda: consortium.submitted(task, 1) == {"ada", "bert"}, PATIENCE)
        eventually(lambda: consortium.trained("cleo") == ["train 1"], PATIENCE)
        federation.nodes["cleo"].kill()
    with consortium.held("ada"):
        consortium.pass_deadline(task)
        eventually(lambda: consortium.outcome(task, 1) is Stage.SETTLED, PATIENCE)
        federation.join({"cleo": consortium.node_config("cleo")})
        eventually(lambda: consortium.submitted(task, 2) == {"bert", "cleo"}, PATIENCE)
        eventually(lambda: consortium.trained("ada")[-1] == "train 2", PATIENCE)
        consortium.pass_deadline(task)
        eventually(lambda: consortium.outcome(task, 2) is Stage.SETTLED, PATIENCE)
    assert run.end(PATIENCE) == "finished:completed", run.said()

    assert consortium.submitted(task, 3) == set(SITES)
    assert consortium.outcome(task, 3) is Stage.SETTLED
    assert verified(consortium, task)
