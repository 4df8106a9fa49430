"""A store keeps what its tasks name: in a folder or on an IPFS node, nothing that a verifier reads goes."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubo_blocks
import pytest
from nodes import Kubo

from aggregator import keeping
from fl.errors import BlobUnavailable
from fl.store.cid import Cid
from fl.store.embedded import EmbeddedStore
from fl.store.kubo import KuboStore
from fl.store.port import put_bytes, read_bytes
from fl.wiring import Deployment

GARBAGE = b"an update that was never submitted" * 100_000  # four blocks


@pytest.fixture
def run(honest: Any, tmp_path: Path) -> Any:
    """A finished run, and garbage in its store."""
    copy = honest.copied_to(tmp_path / "run")
    put_bytes(store_of(copy), GARBAGE)
    return copy


def store_of(run: Any) -> EmbeddedStore:
    return EmbeddedStore(run.folder / "store")


def files(run: Any) -> set[Path]:
    return {path for path in (run.folder / "store" / "blocks").rglob("*") if path.is_file()}


@pytest.fixture
def collect(fl: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, dict[str, Any]]]:
    def collect(*words: object) -> tuple[int, dict[str, Any]]:
        code, out = fl("store", "collect", *words, "--json")
        return code, json.loads(out)

    return collect


def test_garbage_goes_and_the_run_verifies_as_before(run: Any, collect: Any, verify: Any) -> None:
    before = verify(run.folder)
    announced = collect(run.folder, "--older-than", 0)
    there = files(run)
    code, said = collect(run.folder, "--older-than", 0, "--remove")
    assert (code, said) == (0, announced[1] | {"removed": True})
    assert (said["unnamed"], said["missing"], said["kept"]) == (5, [], len(there) - 5)
    assert said["size"] > len(GARBAGE)
    assert len(files(run)) == said["kept"]
    assert verify(run.folder) == before
    assert collect(run.folder, "--older-than", 0)[1]["unnamed"] == 0


def test_without_being_asked_nothing_goes(run: Any, fl: Any) -> None:
    there = files(run)
    code, out = fl("store", "collect", run.folder, "--older-than", 0)
    assert code == 0
    assert "would be removed by --remove" in out
    assert files(run) == there


def test_what_was_put_last_week_stays_unless_told_otherwise(run: Any, collect: Any) -> None:
    there = files(run)
    assert collect(run.folder, "--remove")[1]["unnamed"] == 0
    assert files(run) == there


def test_nothing_goes_while_a_manifest_is_lost(run: Any, fl: Any, capsys: Any) -> None:
    round_ = run.record.rounds[0]
    store_of(run).path(Cid.of_document(round_.closed.manifest)).unlink()
    there = files(run)
    code, _ = fl("store", "collect", run.folder, "--older-than", 0, "--remove")
    assert code == 1
    assert "What task 1 names cannot be told" in capsys.readouterr().err
    assert files(run) == there


def test_a_lost_blob_is_named_and_ends_with_1(run: Any, collect: Any) -> None:
    weights = run.record.manifest(run.record.rounds[0]).weights.cid
    store_of(run).path(Cid.parse(weights)).unlink()
    code, said = collect(run.folder)
    assert (code, said["missing"]) == (1, [weights])


def test_runs_in_different_stores_are_not_mixed_up(run: Any, honest: Any, fl: Any, capsys: Any) -> None:
    code, _ = fl("store", "collect", run.folder, honest.folder)
    assert code == 2
    assert "different stores" in capsys.readouterr().err


# The same on an IPFS node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    with Kubo(tmp_path_factory.mktemp("kubo")) as node:
        yield node


@pytest.fixture
def moved(honest: Any, node: Kubo) -> Iterator[tuple[str, ...]]:
    """The run's content on an IPFS node, as its sites would have put it there; how to name it."""
    names = keeping.named(keeping.records_of(honest.record))
    there, here = KuboStore(node.address), store_of(honest)
    for cid in names.needed | names.spared:
        assert there.put(io.BytesIO(read_bytes(here, cid, limit=2**30))) == cid
    place = Deployment.read(honest.folder)
    url = f"http://127.0.0.1:{node.port}"
    yield ("--rpc", place.chain, "--contract", place.contract, "--store", url)
    kubo_blocks.empty(node)


def test_a_node_forgets_garbage_and_nothing_that_a_verifier_reads(
    moved: tuple[str, ...], node: Kubo, collect: Any, verify: Any
) -> None:
    store, before = KuboStore(node.address), verify(*moved, "--task", 1)
    garbage = put_bytes(store, GARBAGE)
    owners = node.run("add", "-q", "--cid-version=1", stdin=b"the owner's own").decode().strip()
    assert collect(*moved, "--older-than", 1, "--remove")[1]["unnamed"] == 0, "it is young"
    code, said = collect(*moved, "--older-than", 0, "--remove")
    assert (code, said["unnamed"], said["missing"]) == (0, 1, [])
    kubo_blocks.collect_garbage(node)
    with pytest.raises(BlobUnavailable):
        store.open(garbage, limit=len(GARBAGE))
    assert verify(*moved, "--task", 1) == before
    assert node.run("cat", owners) == b"the owner's own"


def test_a_node_keeps_what_it_only_had_because_somebody_read_it_there(
    moved: tuple[str, ...], node: Kubo, collect: Any, verify: Any
) -> None:
    before = verify(*moved, "--task", 1)
    for cid in kubo_blocks.pins(node):
        kubo_blocks.ask(node, "pin/rm", arg=cid)
    assert collect(*moved)[0] == 0
    kubo_blocks.collect_garbage(node)
    after = verify(*moved, "--task", 1)
    assert (after.code, after.wrong_rounds) == (before.code, before.wrong_rounds)


def test_a_node_says_what_it_does_not_have(
    moved: tuple[str, ...], node: Kubo, collect: Any, honest: Any
) -> None:
    weights = honest.record.manifest(honest.record.rounds[0]).weights.cid
    kubo_blocks.ask(node, "pin/rm", arg=weights)
    kubo_blocks.collect_garbage(node)
    code, said = collect(*moved)
    assert (code, said["missing"]) == (1, [weights])


def test_a_node_that_is_away_ends_a_verification_with_one_sentence(
    moved: tuple[str, ...], fl: Any, capsys: Any
) -> None:
    code, out = fl("verify", *moved[:-1], "http://127.0.0.1:1", "--task", 1)
    assert (code, out) == (1, "")
    assert "gives no answer" in capsys.readouterr().err
