"""Every field that a round's documents have, made up: `fl verify` names the round, and what is wrong in it.

The tables below have a case for every field of the document classes: one that is added later needs one too.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from audits import (
    AB,
    ELSEWHERE,
    NOWHERE,
    audit,
    cases,
    close_with,
    decided,
    named,
    refer,
    reset,
    with_blob,
    with_line,
    with_manifest,
    wrong_in_round_2,
)

from aggregator import scoring
from fl.canonical import dump, load, sha256
from fl.documents import Details, Line, Manifest, Receipt, Reference, Verdict
from fl.errors import Refused
from fl.ledger.types import FULL_QUALITY, UNRATED, Entry, Result
from fl.store.port import put_bytes


@pytest.fixture
def lied(found, momentum):
    """Three rounds, the second one closed with a lie: what verification finds wrong in it."""

    def lied(change, faults=None, result=None, decided_on=lambda facts: facts):
        federation = found(rule=momentum, scoring="shapley")
        federation.play()
        federation.begin(faults)
        federation.wait(federation.now() + 300, lambda: False)  # everything may be called unavailable
        close_with(federation, change(decided(federation, decided_on)), **(result or {}))
        reset(federation)
        federation.play()
        return wrong_in_round_2(federation)

    return lied


def untouched(document):
    return document


# --- the manifest

OTHERS = {
    "chain_id": [(1, "round: chain_id: recorded 1, found 31337")],
    "contract": [(ELSEWHERE, f"round: contract: recorded {ELSEWHERE}")],
    "task": [(9, "round: task: recorded 9, found 1")],
    "round": [(1, "round: round: recorded 1, found 2")],
    "announcement": [(AB, f"round: announcement: recorded {AB}")],
    "base": [(AB, f"round: base: recorded {AB}")],
}

MANIFEST = {
    **OTHERS,
    "submissions": [
        (lambda lines: lines[1:], "is left out"),
        (lambda lines: lines[::-1], "they are in another order"),
        (lambda lines: (), "is left out"),
        (lambda lines: (*lines, lines[0]), "is added"),
    ],
    "aggregated": [
        (lambda all_: all_[1:], "round: aggregated: recorded"),
        (lambda all_: all_[::-1], "round: aggregated: recorded"),
        (lambda all_: (*all_, ELSEWHERE), "round: aggregated: recorded"),
    ],
    "utilities": [(None, "utilities: the manifest names no table"), (NOWHERE, "utilities: Block")],
    "weights": [(NOWHERE, "weights: Blob")],
    "state": [(None, "round: state: recorded nothing, found"), (NOWHERE, "state: Block")],
    "metrics": [
        ({}, "round: metrics: recorded {}"),
        ({"index": 3.0}, "round: metrics: recorded {'index': 3.0}, found {'index': 2.0}"),
        ({"index": 2.0, "more": 1.0}, "round: metrics: recorded"),
    ],
}


def test_there_is_a_lie_for_every_field_of_a_manifest():
    assert MANIFEST.keys() | {"type", "version"} == set(Manifest.model_fields)


@cases(MANIFEST)
def test_a_field_of_the_manifest_that_was_made_up_is_named(lied, field, value, words):
    def change(honest):
        made_up = value(getattr(honest.manifest, field)) if callable(value) else value
        return with_manifest(honest, **{field: made_up})

    assert named(lied(change), words)


@pytest.mark.parametrize(("field", "value"), [("type", "receipt"), ("version", 2)])
def test_a_manifest_of_another_type_or_version_is_none(found, field, value):
    federation = found()
    federation.play()
    federation.begin()
    honest = decided(federation)
    made_up = dump(load(honest.manifest.encode()) | {field: value})
    put_bytes(federation.store, made_up)
    close_with(federation, honest, manifest=sha256(made_up))
    reset(federation)
    federation.play()
    assert named(wrong_in_round_2(federation), "manifest: This is not a valid manifest", field)


# --- a line of it

REFUSED = {"share": 0, "quality": 0, "examples": None}
JUDGED = [one for one in Verdict if one is not Verdict.UNAVAILABLE]
"""Verdicts that do not rest on the aggregator's word alone."""

LINE = {
    "trainer": [({"trainer": ELSEWHERE}, f"{ELSEWHERE} with receipt")],
    "receipt": [({"receipt": AB}, f"with receipt {AB} is added")],
    "verdict": [
        ({**REFUSED, "verdict": verdict}, f"recorded {verdict}, found accepted")
        for verdict in JUDGED
        if verdict is not Verdict.ACCEPTED
    ],
    "share": [({"share": share}, f"share recorded as {share}") for share in (0, 999_999, 2**32 - 1)],
    "quality": [
        ({"share": 0, "quality": quality}, f"quality recorded as {quality}, found 10000")
        for quality in (0, UNRATED)
    ],
    "examples": [
        ({"examples": examples}, f"examples recorded as {examples}, found 200") for examples in (None, 0, 7)
    ],
    "weights": [
        ({"weights": None}, "accepted, but with weights None"),
        ({"weights": AB}, f"weights recorded as {AB}"),
    ],
}


def test_there_is_a_lie_for_every_field_of_a_line():
    assert LINE.keys() == set(Line.model_fields)


@cases(LINE)
def test_a_field_of_a_line_that_was_made_up_is_named_with_its_trainer(lied, found, field, value, words):
    assert field in value
    texts = lied(lambda honest: with_line(honest, 1, **value))
    assert named(texts, words, found().sites[1].address)


@pytest.mark.parametrize("verdict", [one for one in JUDGED if one is not Verdict.BAD_CLAIM])
def test_another_verdict_than_the_first_that_applies_is_named(lied, verdict):
    paid = {"share": 5, "quality": FULL_QUALITY, "examples": 7} if verdict is Verdict.ACCEPTED else {}
    faults = {1: {"details": {"examples": 0}}}
    texts = lied(lambda honest: with_line(honest, 1, verdict=verdict, **paid), faults)
    assert named(texts, f"recorded {verdict}, found bad_claim")


# --- a reference


@pytest.mark.parametrize("blob", ["weights", "utilities", "state"])
@pytest.mark.parametrize("field", Reference.model_fields)
def test_a_field_of_a_reference_that_was_made_up_is_named_with_its_blob(lied, blob, field):
    def change(honest):
        right = getattr(honest.manifest, blob)
        other = {"cid": refer(b"other").cid, "sha256": AB, "size": right.size + 1}
        return with_manifest(honest, **{blob: right.model_copy(update={field: other[field]})})

    assert any(text.startswith(f"{blob}: ") for text in lied(change))


def lifted(table, mask):
    """A table in which one coalition is worth more."""
    values = scoring.decode_table(table).true
    return scoring.encode_table(scoring.Table({**values, mask: values[mask] + 500_000}))


OTHER_BLOBS = {
    "weights": (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "round: weights: recorded"),
    "state": (lambda data: data + b"!", "round: state: recorded"),
    "utilities": (lambda data: lifted(data, 0b101), "round: utilities: coalition 5 recorded as"),
}


@pytest.mark.parametrize(("blob", "way"), OTHER_BLOBS.items(), ids=OTHER_BLOBS.keys())
def test_another_blob_than_the_facts_give_is_named(lied, blob, way):
    change, words = way
    assert named(lied(lambda honest: with_blob(honest, blob, change(getattr(honest, blob)))), words)


@pytest.mark.parametrize("blob", OTHER_BLOBS)
@pytest.mark.parametrize("data", [b"", b"no such thing\n", b"\0" * 300], ids=["empty", "text", "zeros"])
def test_a_blob_that_is_none_of_its_kind_is_named(lied, blob, data):
    assert named(lied(lambda honest: with_blob(honest, blob, data)), f"{blob}: ")


@pytest.mark.parametrize(("off", "wrong"), [(10, False), (11, True), (500_000, True)])
def test_a_utility_that_was_made_up_is_named_unless_it_is_within_the_tolerance(found, off, wrong):
    """Shares, table and manifest agree: the liar has decided with it."""
    federation = found(scoring="shapley", tolerance=10)
    federation.play()
    federation.begin()
    exact = federation.rounds().utility
    rounds = federation.rounds(utility=lambda mask, arrays: exact(mask, arrays) + off * (mask == 0b101))
    rounds.finish()
    rounds.settle_all()
    texts = audit(federation).texts(round_=2)
    assert bool(texts) == wrong
    assert not wrong or [text.split(" recorded")[0] for text in texts] == ["utilities: coalition 5"]


def test_many_made_up_utilities_are_counted_and_not_listed(lied):
    def change(honest):
        table = scoring.Table(dict.fromkeys(scoring.decode_table(honest.utilities).true, 0))
        return with_blob(honest, "utilities", scoring.encode_table(table))

    texts = [text for text in lied(change) if text.startswith("round: utilities: ")]
    assert len(texts) == 4
    assert texts[-1].endswith("more coalitions like these")


# --- what the contract is told

TOLD = {
    "announcement": [(sha256(b"x"), "Incomplete")],
    "weights": [(sha256(b"x"), f"round: the contract was told weights {sha256(b'x').hex()}")],
    "manifest": [(sha256(b"x"), "manifest: Block")],
    "entries": [
        (lambda entries: entries[1:], "Incomplete"),
        (lambda entries: entries[::-1], "Incomplete"),
        (lambda entries: (*entries, entries[0]), "Incomplete"),
    ],
    "receipts": [
        (lambda receipts: receipts[1:], "Incomplete"),
        (lambda receipts: receipts[::-1], "Incomplete"),
    ],
}
"""A word alone is the contract's own refusal."""


def test_there_is_a_lie_for_everything_that_the_contract_is_told():
    assert TOLD.keys() == {field.name for field in fields(Result)}


@cases(TOLD)
def test_what_the_contract_is_told_is_refused_or_named(lied, found, field, value, words):
    def told():
        if not callable(value):
            return {field: value}
        federation = found(scoring="shapley")
        federation.begin()
        honest = decided(federation)
        receipts = tuple(bytes.fromhex(line.receipt) for line in honest.manifest.submissions)
        return {field: value({"entries": honest.entries, "receipts": receipts}[field])}

    if words == "Incomplete":
        with pytest.raises(Refused, match=words):
            lied(untouched, result=told())
    else:
        assert named(lied(untouched, result=told()), words)


ENTRY = {
    "trainer": [(ELSEWHERE, "Incomplete")],
    "share": [(999_999, "the contract was told share 999999 and quality 10000")],
    "quality": [(UNRATED, "the contract was told share 0 and quality 65535"), (7, "BadEntry")],
}


def test_there_is_a_lie_for_every_field_of_an_entry():
    assert ENTRY.keys() == {field.name for field in fields(Entry)}


@cases(ENTRY)
def test_an_entry_other_than_the_manifest_s_line_is_refused_or_named(lied, field, value, words):
    def change(honest):
        unpaid = {"share": 0} if field == "quality" else {}
        first = replace(honest.entries[0], **(unpaid | {field: value}))
        return replace(honest, entries=(first, *honest.entries[1:]))

    if " " not in words:
        with pytest.raises(Refused, match=words):
            lied(change)
    else:
        assert named(lied(change), words)


# --- a bad update that was accepted: every field of what a site writes

SITE = {
    Receipt: {
        "chain_id": (1, "not_bound"),
        "contract": (ELSEWHERE, "not_bound"),
        "task": (9, "not_bound"),
        "round": (1, "not_bound"),
        "trainer": (ELSEWHERE, "not_bound"),
        "announcement": (AB, "not_bound"),
        "base": (AB, "not_bound"),
        "update": (NOWHERE, "bad_reference"),
        "details": (NOWHERE, "unavailable"),
        "commitment": (AB, "unreadable"),
        "key": (AB, "unreadable"),
    },
    Details: {
        "examples": (10_001, "bad_claim"),
        "metrics": ({"loss": 99.0}, "bad_claim"),
        "privacy": ({"epsilon": "float:9.0", "delta": "float:0.0"}, "over_budget"),
        "data": (AB, "accepted"),  # nobody can tell what lies behind it
        "code": (AB, "unapproved_code"),
    },
}


@pytest.mark.parametrize("document", SITE, ids=lambda document: document.__name__)
def test_there_is_a_case_for_every_field_of_what_a_site_writes(document):
    assert SITE[document].keys() | {"type", "version"} == set(document.model_fields)


@pytest.mark.parametrize(
    ("part", "field", "value", "verdict"),
    [(kind.__name__.lower(), name, *way) for kind, table in SITE.items() for name, way in table.items()],
)
def test_an_acceptance_of_a_made_up_field_is_named(lied, part, field, value, verdict):
    def change(honest):
        accepted = {"share": 5, "quality": FULL_QUALITY, "examples": 200, "weights": AB}
        return with_line(honest, 1, verdict=Verdict.ACCEPTED, **accepted)

    words = f"recorded accepted, found {verdict}" if verdict != "accepted" else "share recorded as 5"
    assert named(lied(change, {1: {part: {field: value}}}), words)
