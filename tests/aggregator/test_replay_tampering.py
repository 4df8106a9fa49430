"""Content that is changed, cut or lost is one mismatch, where it belongs; what rests on it is not checked."""

from __future__ import annotations

import pytest
from audits import audit, command

from fl.canonical import sha256
from fl.errors import StoreUnavailable

WHOLE_TASK = None


@pytest.fixture(scope="module")
def whole(found, momentum):
    """Three settled rounds of a task that uses every kind of blob, and the second round's packages."""
    federation = found(rule=momentum, scoring="shapley")
    federation.play()
    packages = federation.begin()
    federation.rounds().finish()
    federation.rounds().settle_all()
    federation.play()
    return federation, packages


@pytest.fixture
def history(whole):
    """The same, to tamper with: what was changed in the store is put back."""
    federation, packages = whole
    before = dict(federation.blocks)
    yield federation, packages
    federation.blocks.clear()
    federation.blocks.update(before)


def blob(history, kind):
    """The SHA-256 of one blob of round 2 or of the task."""
    federation, packages = history
    record = federation.record()
    manifest = record.manifest(record.round(2))
    digests = {
        "terms": federation.terms.id,
        "initial weights": bytes.fromhex(federation.terms.weights.sha256),
        "validation set": bytes.fromhex(federation.terms.scoring.validation.sha256),
        "announcement": record.round(2).opened.announcement,
        "receipt": sha256(packages[1].receipt),
        "sealed update": sha256(packages[1].update),
        "sealed details": sha256(packages[1].details),
        "manifest": record.round(2).closed.manifest,
        "weights": bytes.fromhex(manifest.weights.sha256),
        "utilities": bytes.fromhex(manifest.utilities.sha256),
        "state": bytes.fromhex(manifest.state.sha256),
    }
    return digests[kind]


def at(place):
    def flip(data):
        position = place % len(data)
        return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]

    return flip


WAYS = {
    "first byte": at(0),
    "hundredth byte": at(100),
    "last byte": at(-1),
    "cut short": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "empty": lambda data: b"",
    "other content": lambda data: b"{}",
    "gone": lambda data: None,
}

ROUNDS, UNANNOUNCED = (1, 2, 3), "cannot be decided again: the announcement: "
CASES = {
    "terms": ((WHOLE_TASK, "terms"), {number: ["cannot be decided again: the terms: "] for number in ROUNDS}),
    "initial weights": (
        (WHOLE_TASK, "initial weights"),
        {1: ["cannot be decided again: the base weights: "]},
    ),
    "validation set": (
        (WHOLE_TASK, "validation set"),
        {number: ["utilities: the validation set: "] for number in ROUNDS},
    ),
    "announcement": ((2, "announcement"), {2: [UNANNOUNCED]}),
    "receipt": ((2, "round"), {2: ["the aggregate: it rests on", "shares: they rest on"]}),
    "sealed update": ((2, "round"), {2: ["the aggregate: it rests on", "shares: they rest on"]}),
    "sealed details": ((2, "round"), {2: ["the aggregate: it rests on", "shares: they rest on"]}),
    "manifest": (
        (2, "manifest"),
        {
            2: ["cannot be decided again without its manifest"],
            3: ["whether an update repeats one that round 2 accepted", "the aggregate: the rule's memory"],
        },
    ),
    "weights": ((2, "weights"), {3: ["cannot be decided again: the base weights: "]}),
    "utilities": ((2, "utilities"), {2: ["shares: they rest on the table"]}),
    "state": ((2, "state"), {3: ["the aggregate: the rule's memory: "]}),
}
"""Kind → where the one mismatch is, and what each round says that it could not check."""


def unchecked(found, round_, expected):
    """Whether a round says exactly this of what could not be checked."""
    texts = found.texts("not checked", round_)
    return len(texts) == len(expected) and all(map(str.startswith, texts, expected))


def test_nothing_is_wrong_while_nobody_has_tampered(whole):
    found = audit(whole[0])
    assert found.code == 0
    assert {one["level"] for one in found.findings} == {"ok"}


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("kind", CASES)
def test_tampered_content_is_named_once_and_what_rests_on_it_is_not_checked(history, kind, change):
    federation, _ = history
    where, rests = CASES[kind]
    digest = blob(history, kind)
    federation.blocks[digest] = change(federation.blocks[digest])
    if federation.blocks[digest] is None:
        del federation.blocks[digest]
    found = audit(federation)
    assert found.code == 1
    assert [where] == [(one["round"], one["subject"]) for one in found.findings if one["level"] == "mismatch"]
    assert all(unchecked(found, round_, rests.get(round_, [])) for round_ in ROUNDS)
    assert found.findings[-1]["level"] == "ok"  # the accounts, which rest on no content


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_a_damaged_submission_is_named_with_its_trainer_and_as_damaged(history, part):
    federation, packages = history
    digest = sha256(getattr(packages[1], part))
    federation.blocks[digest] = at(5)(federation.blocks[digest])
    (text,) = audit(federation).texts(round_=2)
    assert text.startswith(f"{packages[1].trainer}: recorded accepted, found unavailable (")
    assert "do not match its name" in text


def test_two_blobs_that_changed_places_are_both_found(history):
    federation, _ = history
    one, other = blob(history, "weights"), blob(history, "state")
    federation.blocks[one], federation.blocks[other] = federation.blocks[other], federation.blocks[one]
    assert audit(federation).where() == {(2, "weights"), (2, "state")}


@pytest.mark.parametrize("field", ["weights", "state", "utilities"])
def test_the_last_round_s_blobs_are_checked_although_no_round_needs_them_yet(history, field):
    federation, _ = history
    record = federation.record()
    digest = bytes.fromhex(getattr(record.manifest(record.round(3)), field).sha256)
    federation.blocks[digest] = at(7)(federation.blocks[digest])
    assert audit(federation).where() == {(3, field)}


def test_a_store_that_lost_everything_leaves_mismatches_and_no_crash(history):
    federation, _ = history
    federation.blocks.clear()
    found = audit(federation)
    assert found.code == 1
    rounds = {(round_, subject) for round_ in ROUNDS for subject in ("announcement", "manifest")}
    assert found.where() == {(WHOLE_TASK, "terms")} | rounds
    assert (WHOLE_TASK, "accounts") in found.where("ok")


def test_a_failed_round_is_not_checked_without_its_content(federation):
    federation.play()
    federation.begin({0: {"details": {"examples": 0}}, 1: {"details": {"examples": 0}}})
    federation.rounds().finish()
    base = federation.record().round(2).opened.weights
    federation.blocks[base] = at(9)(federation.blocks[base])
    found = audit(federation)
    assert found.where() == {(1, "weights")}
    (text,) = found.texts("not checked", 2)
    assert text.startswith("failed: below_quorum; cannot be decided again: the base weights: ")


LET_IN = "shares, and what the guard let in: they rest on the table of utilities"
GUARDED = {
    "utilities": ({(2, "utilities")}, {2: [LET_IN]}),
    "state": ({(2, "state"), (3, "state")}, {3: ["the aggregate: the rule's memory: "]}),
    "manifest": ({(2, "manifest")}, CASES["manifest"][1]),
}


@pytest.mark.parametrize("lost", GUARDED)
def test_a_round_that_a_guard_ends_on_its_base_rests_on_the_last_one_s_memory(found, momentum, lost):
    """In the third round everybody is set aside, so weights and memory stay."""
    federation = found(rule=momentum, scoring="equal", guard="positive")
    second = [federation.play() for _ in range(3)][1].manifest
    assert federation.record().heritage().state == second.state
    del federation.blocks[second.id if lost == "manifest" else bytes.fromhex(getattr(second, lost).sha256)]
    found, (wrong, rests) = audit(federation), GUARDED[lost]
    assert found.where() == wrong
    assert all(unchecked(found, round_, rests.get(round_, [])) for round_ in ROUNDS)


def test_a_store_that_gives_no_answer_is_no_mismatch(whole, monkeypatch, capsys):
    federation, _ = whole

    class Away:
        def open(self, _cid, _limit):
            raise StoreUnavailable("The store gives no answer.")

    monkeypatch.setattr(federation, "store", Away())
    assert command(federation) == (1, "")
    assert "The store gives no answer." in capsys.readouterr().err


# --- what was refused


@pytest.fixture
def refused(federation):
    """A round in which site 1 was refused for cause, and its package."""
    package = federation.begin({1: {"details": {"examples": 0}}})[1]
    federation.rounds().finish()
    federation.rounds().settle_all()
    return federation, package


@pytest.mark.parametrize("change", [at(5), lambda data: None], ids=["damaged", "gone"])
@pytest.mark.parametrize(
    ("part", "left"),
    [
        ("receipt", "and not even its receipt is left to prove it"),
        ("update", "and nobody can prove it any more"),
        ("details", "and nobody can prove it any more"),
    ],
)
def test_a_refused_site_cannot_speak_against_a_round_with_what_becomes_of_its_content(
    refused, part, left, change
):
    federation, package = refused
    digest = sha256(getattr(package, part))
    federation.blocks[digest] = change(federation.blocks[digest])
    if federation.blocks[digest] is None:
        del federation.blocks[digest]
    found = audit(federation)
    assert (found.code, found.where()) == (0, set())
    (text,) = found.texts("not checked", 1)
    assert text.startswith(f"{package.trainer}: refused as bad_claim, {left} (")
    assert found.texts("ok", 1) == ["closed as its submissions demand, as far as it can be checked"]


def test_a_refusal_that_grants_something_needs_its_receipt_undamaged(federation):
    """To go unrated is a favour: whoever grants it keeps the receipt."""
    package = federation.begin({1: {"receipt": {"base": "ab" * 32}}})[1]
    assert federation.rounds().finish().lines[1].verdict == "not_bound"
    digest = sha256(package.receipt)
    federation.blocks[digest] = at(5)(federation.blocks[digest])
    (text,) = audit(federation).texts(round_=1)
    assert text.startswith(f"{package.trainer}: recorded not_bound, found unavailable (")


# --- how it reads


def test_the_table_says_which_round_is_wrong_in_what_and_why(history):
    federation, _ = history
    manifest = federation.record().round(2).closed.manifest
    federation.blocks[manifest] = at(9)(federation.blocks[manifest])
    code, out = command(federation)
    assert code == 1
    assert "NOT VERIFIED" in out
    (line,) = (line for line in out.splitlines() if "MISMATCH" in line)
    assert line.split()[:3] == ["2", "manifest", "MISMATCH"]
    assert "do not match its name" in line


def test_a_reader_is_told_what_was_not_checked_and_why(history):
    federation, _ = history
    del federation.blocks[blob(history, "state")]
    code, out = command(federation)
    assert code == 1
    (line,) = (line for line in out.splitlines() if "not checked" in line and "the aggregate" in line)
    assert line.split()[:4] == ["3", "round", "not", "checked"]
    assert "the rule's memory: Block" in line
    assert "Not all checked: aggregates (1)" in out
