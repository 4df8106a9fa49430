"""Content that is changed or lost after the fact: `fl verify` names the rounds it belongs to."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from aggregator.record import Record, Round
from fl.documents import Receipt, Reference
from fl.store.cid import Cid

KINDS = (
    "terms",
    "initial weights",
    "validation set",
    "announcement",
    "receipt",
    "sealed update",
    "sealed details",
    "manifest",
    "utilities",
    "weights",
)
BY_KIND = pytest.mark.parametrize("kind", KINDS)


def named(record: Record) -> Iterator[tuple[str, Cid, int | None]]:
    """Every blob that a task names: what it is, its CID, and the round (None: the task as a whole)."""
    terms = record.terms()
    yield "terms", terms.cid, None
    yield "initial weights", terms.weights.parsed(), None
    yield "validation set", terms.scoring.validation.parsed(), None
    yield from (
        (kind, cid, round_.number) for round_ in record.rounds for kind, cid in of_round(record, round_)
    )


def of_round(record: Record, round_: Round) -> Iterator[tuple[str, Cid]]:
    yield "announcement", record.announcement(round_).cid
    for event in round_.submissions:
        receipt = Receipt.decode(record.document(event.receipt))
        yield "receipt", receipt.cid
        yield "sealed update", receipt.update.parsed()
        yield "sealed details", receipt.details.parsed()
    manifest = record.manifest(round_)
    yield "manifest", manifest.cid
    references: dict[str, Reference] = {"utilities": manifest.utilities, "weights": manifest.weights}
    yield from ((kind, reference.parsed()) for kind, reference in references.items())


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.fixture(scope="module")
def run(honest, tmp_path_factory):
    """A copy whose blobs are changed, one at a time, and put back."""
    return honest.copied_to(tmp_path_factory.mktemp("tampered") / "run")


@pytest.fixture(scope="module")
def blobs(run):
    """By kind: path of the block, and the rounds that name it."""
    found = defaultdict(lambda: defaultdict(set))
    for kind, cid, round_ in named(run.record):
        found[kind][run.record.store.path(cid)].add(round_)
    return found


def check_each(run, verify, blobs, kind: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change every blob of a kind in turn: exit code 1, and exactly the rounds that name it are wrong."""
    assert blobs[kind]
    for path, rounds in blobs[kind].items():
        data = path.read_bytes()
        try:
            tampered = change(data)
            path.unlink() if tampered is None else path.write_bytes(tampered)
            found = verify(run.folder)
        finally:
            path.write_bytes(data)
        assert found.code == 1
        assert found.wrong_rounds == rounds


def test_every_block_of_the_store_is_named_by_something(run, blobs):
    profiles = len(run.results.contributors)
    blocks = {path for path in (run.folder / "store/blocks").rglob("*") if path.is_file()}
    named = {path for paths in blobs.values() for path in paths}
    assert named <= blocks
    assert len(blocks - named) == profiles


def test_a_run_that_nobody_touched_verifies(run, verify):
    found = verify(run.folder)
    assert (found.code, found.said["verified"], found.wrong_rounds) == (0, True, set())
    assert found.said["counts"] == {"ok": 4, "note": 0, "not checked": 0, "mismatch": 0}


@BY_KIND
def test_one_flipped_byte_is_found_and_its_round_is_named(run, verify, blobs, kind):
    check_each(run, verify, blobs, kind, lambda data: flip(data, len(data) // 2))


@pytest.mark.slow
@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
@BY_KIND
def test_a_flipped_byte_at_either_end_is_found(run, verify, blobs, kind, end):
    check_each(run, verify, blobs, kind, lambda data: flip(data, end % len(data)))


@pytest.mark.slow
@BY_KIND
def test_what_is_cut_short_is_found(run, verify, blobs, kind):
    check_each(run, verify, blobs, kind, lambda data: data[:-1])


@pytest.mark.slow
@BY_KIND
def test_what_is_gone_is_found(run, verify, blobs, kind):
    check_each(run, verify, blobs, kind, lambda _: None)


def test_the_table_says_which_round_is_wrong(run, fl, blobs):
    path = next(path for path, rounds in blobs["manifest"].items() if rounds == {2})
    data = path.read_bytes()
    path.write_bytes(flip(data, 100))
    try:
        code, out = fl("verify", run.folder)
        assert fl("rounds", run.folder)[0] == fl("rewards", run.folder)[0] == 0
    finally:
        path.write_bytes(data)
    assert code == 1
    assert "NOT VERIFIED" in out
    (line,) = (line for line in out.splitlines() if "MISMATCH" in line)
    assert line.split()[:3] == ["2", "manifest", "MISMATCH"]


def test_a_profile_is_no_part_of_a_round(run, fl, verify, blobs):
    named = {path for paths in blobs.values() for path in paths}
    blocks = {path for path in (run.folder / "store/blocks").rglob("*") if path.is_file()}
    profile = sorted(blocks - named)[0]
    data = profile.read_bytes()
    profile.write_bytes(flip(data, 10))
    try:
        assert verify(run.folder).code == 0
        assert fl("rewards", run.folder)[0] == 0
    finally:
        profile.write_bytes(data)
