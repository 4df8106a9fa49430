"""Section 6 of the protocol, row by row: what one site does in a real round, and what becomes of it.

Mallory (see `mallory`) does one thing wrong and everything else right, between two honest sites. She is
refused by name, the others are paid as if she were not there, and whoever verifies says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from forgeries import CIDS, LAYOUTS, NO_DOCUMENTS, OTHER_FILES
from mallory import PARTS, Forge, Forger, Misdeed, damage, drip, reveal, silence, withhold
from stage import BASE, EXAMPLES, HONEST, MALLORY, NAMES, REWARD, Stage, address, make_terms

from aggregator.draw import draw
from aggregator.record import Record
from aggregator.verifying.findings import Level
from fl import weights
from fl.canonical import MAX_DOCUMENT_BYTES
from fl.documents import Line, Receipt, Verdict
from fl.ledger.types import FULL_QUALITY, INITIAL_REPUTATION, REFUSED_QUALITY, UNAVAILABLE, UNRATED

STRANGER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
OTHER = "ab" * 32
LARGE = {
    "base": BASE | {"large": np.zeros(2**20, np.float32)},
    "limits": {"element": "float:10.0", "norm": "float:10000.0", "examples": 1000},
}
"""A model of several blocks."""


def draws_the_honest(purpose: str) -> bool:
    return draw(make_terms(BASE, purpose=purpose).id, 1, dict(enumerate(NAMES, 1)), 2) == HONEST


WITHOUT_HER = {"purpose": next(filter(draws_the_honest, map("Agree, {}.".format, range(100))))}
"""Terms whose first draw of two does not name her."""


def claiming(**fields: object) -> Forge:
    return lambda f: f.receipt(claims=f.claiming(**fields))


def sending(name: str, *values: object) -> Forge:
    return lambda f: f.receipt(f.changed(name, *values))


def naming(part: str, **said: object) -> Forge:
    """With a reference that says something else."""
    return lambda f: f.receipt(**{part: f.stored(f.sealed(part), **said)})


def sealing_elsewhere(part: str, **place: object) -> Forge:
    return lambda f: f.receipt(**{part: f.stored(f.sealed(part, **place))})


def sealing_as(part: str, other: str, content: Callable[[Forger], bytes]) -> Forge:
    return lambda f: f.receipt(**{part: f.stored(f.sealed(other, content(f)))})


def with_one_less(f: Forger) -> bytes:
    arrays = weights.decode(f.update, tuple(BASE))
    return f.receipt(weights.encode({name: arrays[name] for name in BASE if name != "mask"}))


def with_one_more(f: Forger) -> bytes:
    arrays = weights.decode(f.update, tuple(BASE))
    return f.receipt(weights.encode(arrays | {"more": np.zeros(1)}))


def copying_a_blob(f: Forger) -> bytes:
    """Refers to what Ada has stored."""
    ada = Receipt.decode(f.receipt_of("ada"))
    return f.receipt(update=ada.update)


OF_OTHERS = {
    "another trainer": {"trainer": STRANGER},
    "another chain": {"chain_id": 1},
    "another contract": {"contract": STRANGER},
    "another task": {"task": 7},
    "another round": {"round": 7},
}


ROWS: dict[Verdict, dict[str, Forge | Misdeed]] = {
    Verdict.UNAVAILABLE: {
        **{f"{part}: not served": Misdeed(deliver=withhold(part)) for part in PARTS},
        **{f"{part}: damaged": Misdeed(deliver=damage(part)) for part in PARTS},
        **{f"{part}: stalled": Misdeed(deliver=silence(part)) for part in PARTS},
        "update: a block in minutes": Misdeed(deliver=drip("update"), begin=LARGE),
    },
    Verdict.BAD_DOCUMENT: {
        "receipt: too large": lambda _: b'"' + b"x" * MAX_DOCUMENT_BYTES + b'"',
        "receipt: garbage, and only on the chain": Misdeed(lambda _: b"\0 no receipt", reveal),
        **NO_DOCUMENTS,
    },
    Verdict.NOT_BOUND: {
        **{how: (lambda f, p=place: f.receipt(**p)) for how, place in OF_OTHERS.items()},
        "somebody else's receipt": lambda f: f.receipt_of("ada"),
        "another announcement": lambda f: f.receipt(announcement=OTHER),
        "another base": lambda f: f.receipt(base=OTHER),
    },
    Verdict.NOT_INVITED: {"comes all the same": Misdeed(count=2, begin=WITHOUT_HER)},
    Verdict.BAD_REFERENCE: {
        **CIDS,
        "update: a byte behind": lambda f: f.receipt(f.update + b"\0"),
        "update: cut short": lambda f: f.receipt(f.update[:-1]),
        "update: nothing": lambda f: f.receipt(b""),
        "update: a tensor more": with_one_more,
        "update: a tensor less": with_one_less,
        "update: petabytes": naming("update", size=2**50),
        "details: above 256 KiB": lambda f: f.receipt(claims=b" " * (MAX_DOCUMENT_BYTES + 1)),
    },
    Verdict.BAD_CONTENT: {
        **{f"{part}: another SHA-256": naming(part, sha256=OTHER) for part in ("update", "details")},
        "update: shorter than declared": lambda f: f.receipt(
            update=f.stored(f.sealed("update")[:-1], size=len(f.sealed("update")))
        ),
        "update: longer than declared": lambda f: f.receipt(
            update=f.stored(f.sealed("update") + b"\0", size=len(f.sealed("update")))
        ),
        "details: shorter than declared": naming("details", size=1000),
        "details: longer than declared": naming("details", size=100),
        **LAYOUTS,
    },
    Verdict.UNREADABLE: {
        "the receipt has another key": lambda f: f.receipt(key=OTHER),
        "the commitment is another": lambda f: f.receipt(commitment=OTHER),
        "update: noise": lambda f: f.receipt(update=f.stored(bytes(len(f.sealed("update"))))),
        "details: noise": lambda f: f.receipt(details=f.stored(bytes(100))),
        "details: shorter than a tag": lambda f: f.receipt(details=f.stored(b"x")),
        "update: sealed with another key": sealing_elsewhere("update", key=b"k" * 32),
        "details: sealed with another key": sealing_elsewhere("details", key=b"k" * 32),
        **{f"update: sealed for {how}": sealing_elsewhere("update", **at) for how, at in OF_OTHERS.items()},
        "details: sealed for another round": sealing_elsewhere("details", round=7),
        "update: under the nonce of details": sealing_as("update", "details", lambda f: f.update),
        "details: under the nonce of the update": sealing_as(
            "details", "update", lambda f: f.details.encode()
        ),
        "update: copied from another site": copying_a_blob,
    },
    Verdict.UNAPPROVED_CODE: {"another digest": claiming(code=OTHER)},
    Verdict.BAD_CLAIM: {
        "no examples": claiming(examples=0),
        "a negative number of examples": claiming(examples=-1),
        "half an example": claiming(examples=0.5),
        "more examples than there are integers": claiming(examples=1e300),
        "examples above the cap": claiming(examples=1001),
        "a listed metric missing": claiming(metrics={}),
        "a listed metric in another spelling": claiming(metrics={"Loss": 0.5}),
        "a listed metric too low": claiming(metrics={"loss": -0.1}),
        "a listed metric too high": claiming(metrics={"loss": 10.5}),
    },
    Verdict.OVER_BUDGET: {
        "epsilon": claiming(privacy={"epsilon": "float:1.5", "delta": "float:1e-05"}),
        "delta": claiming(privacy={"epsilon": "float:0.5", "delta": "float:0.0001"}),
        "nothing said": claiming(privacy=None),
    },
    Verdict.BAD_TENSORS: {
        **OTHER_FILES,
        "a boolean that is neither 0 nor 1": lambda f: f.receipt(f.update[:-1] + b"\x02"),
    },
    Verdict.NOT_FINITE: {
        **{f"NaN in {BASE[name].dtype}": sending(name, np.nan) for name in ("half", "weight", "double")},
        "infinity": sending("weight", np.inf),
        "minus infinity": sending("double", -np.inf),
    },
    Verdict.TOO_LARGE: {
        "an element": sending("weight", 11.0),
        "an element that overflows": sending("double", 1.7e308),
        "an integer": sending("steps", 2**62),
        "the norm": sending("weight", *[9.0] * 4),
    },
    Verdict.OUT_OF_RANGE: {
        "below": sending("variance", -0.5),
        "above": sending("variance", 9.5),
    },
    Verdict.NO_CHANGE: {"the base": lambda f: f.receipt(f.of("base"))},
    Verdict.REPLAYED: {
        "its own": Misdeed(lambda f: f.receipt(f.earlier(MALLORY)), rounds=2),
        "somebody else's": Misdeed(lambda f: f.receipt(f.earlier("cleo")), rounds=2),
    },
    Verdict.DUPLICATE: {"of an earlier submission": lambda f: f.receipt(f.of("ada"))},
}
UNRATED_WAYS = {"another announcement", "another base", "comes all the same"}


def all_cases():
    for verdict, ways in ROWS.items():
        for how, way in ways.items():
            misdeed = way if isinstance(way, Misdeed) else Misdeed(way)
            quality = UNAVAILABLE if verdict is Verdict.UNAVAILABLE else REFUSED_QUALITY
            quality = UNRATED if how in UNRATED_WAYS else quality
            yield pytest.param(misdeed, verdict, quality, id=f"{verdict}-{how}")


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A stage on which nobody has acted yet."""
    return Stage.build(tmp_path_factory.mktemp("stage"))


@pytest.fixture
def stage(before: Stage, tmp_path: Path) -> Stage:
    return before.copied_to(tmp_path / "stage")


@pytest.mark.parametrize(("misdeed", "verdict", "quality"), list(all_cases()))
def test_who_misbehaves_is_refused_by_name_and_stops_nothing(stage, misdeed, verdict, quality):
    record = stage.play(misdeed)
    round_ = record.rounds[-1]
    lines = {line.trainer: line for line in record.manifest(round_).submissions}
    mallory = lines[address(MALLORY)]
    assert (mallory.verdict, mallory.quality, mallory.share) == (verdict, quality, 0)
    check_the_honest(record, lines)
    check_money_and_reputation(record, quality)
    check_what_a_verifier_says(stage, verdict)


def check_the_honest(record: Record, lines: Mapping[str, Line]) -> None:
    """They share as if there were nobody else, and the new model is theirs."""
    together = sum(EXAMPLES[name] for name in HONEST)
    for name in HONEST:
        line = lines[address(name)]
        share = 10**6 * EXAMPLES[name] // together
        assert (line.verdict, line.quality, line.share) == (Verdict.ACCEPTED, FULL_QUALITY, share)
    assert record.manifest(record.rounds[-1]).aggregated == tuple(address(name) for name in HONEST)


def check_money_and_reputation(record: Record, quality: int) -> None:
    """The last round paid the honest only, and all that its reward is worth to them."""
    *before, last = record.rounds
    together = sum(EXAMPLES[name] for name in HONEST)
    due = {name: REWARD * EXAMPLES[name] // together if name in HONEST else 0 for name in NAMES}
    trainers = (entry.trainer for entry in last.closed.entries)
    paid = {trainer: one.amount for trainer, one in zip(trainers, last.settled.credits, strict=True)}
    assert paid == {address(name): amount for name, amount in due.items()}
    assert last.settled.paid == REWARD
    for name in NAMES:
        expected = INITIAL_REPUTATION
        for one in (*[FULL_QUALITY] * len(before), FULL_QUALITY if name in HONEST else quality):
            expected = rated(expected, one)
        assert (name, record.ledger.member(address(name)).reputation) == (name, expected)


def rated(reputation: int, quality: int) -> int:
    """The contract's rule; an update that is unavailable counts nothing."""
    if quality == UNRATED:
        return reputation
    return reputation - reputation // 8 + (0 if quality == UNAVAILABLE else quality) // 8


def check_what_a_verifier_says(stage: Stage, verdict: Verdict) -> None:
    """An objective verdict is proven; an unavailability is the aggregator's word, and that is said."""
    found = texts(stage, Level.MISMATCH), texts(stage, Level.UNCHECKED)
    if verdict is Verdict.UNAVAILABLE:
        wrong, (asserted,) = found
        assert wrong == []
        assert re.match(
            f"{address(MALLORY)}: (called unavailable, and is|published late or denied): ", asserted
        )
    else:
        assert found == ([], [])


def texts(stage: Stage, level: Level) -> list[str]:
    return [finding.text for finding in stage.verify() if finding.level is level]


def test_every_row_of_the_protocol_has_its_cases_here():
    protocol = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = protocol.partition("## 6.")[2].partition("## 7.")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = [Verdict(name) for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert (
        list(ROWS) == [Verdict.UNAVAILABLE, *named] == [one for one in Verdict if one is not Verdict.ACCEPTED]
    )
