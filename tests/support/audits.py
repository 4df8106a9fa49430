"""What `fl verify` says of a federation in memory, and an aggregator that tells the contract lies."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

import pytest

from aggregator.decision import decide
from fl import wiring
from fl.cli import main
from fl.documents import Reference
from fl.ledger.types import Result
from fl.store.layout import cid_of
from fl.store.port import put_bytes

# --- the auditor


@dataclass(frozen=True)
class Audit:
    """The exit code of `fl verify`, and its findings."""

    code: int
    findings: list[dict[str, Any]] = field(repr=False)

    def where(self, level: str = "mismatch") -> set[tuple[int | None, str]]:
        """Round and subject of every finding of one level."""
        return {(one["round"], one["subject"]) for one in self.findings if one["level"] == level}

    def texts(self, level: str = "mismatch", round_: int | None = None) -> list[str]:
        """What findings of one level say of one round, or of the task as a whole."""
        return [one["text"] for one in self.findings if (one["level"], one["round"]) == (level, round_)]


def command(federation, *words, ledger=None, rule=None, utility=None):
    """Type `fl verify WORDS…` about a federation in this process: exit code and stdout."""
    out, ledger = StringIO(), ledger or federation.ledger()
    place = {"rpc": "here", "contract": ledger.contract, "task": federation.task, "store": "here"}
    options = [word for name, value in place.items() for word in (f"--{name}", str(value))]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setenv("COLUMNS", "200")
        patch.setattr(wiring, "open_ledger", lambda *_: ledger)
        patch.setattr(wiring, "open_store", lambda *_: federation.store)
        patch.setattr("aggregator.cli.rules.build", lambda *_: rule or federation.rule)
        patch.setattr("aggregator.cli.utilities.build", lambda *_: utility or federation.rounds().utility)
        code = main(["verify", *words, *options])
    return code, out.getvalue()


def audit(federation, **instead):
    """What `fl verify` finds."""
    code, out = command(federation, "--json", **instead)
    return Audit(code, json.loads(out)["findings"])


# --- the liar


def decided(federation, decided_on=lambda facts: facts):
    """What the open round comes to when it is decided on these facts."""
    record, rounds = federation.record(), federation.rounds()
    return decide(decided_on(record.facts(record.rounds[-1])), rounds.rule, rounds.utility, record.read)


def close_with(federation, told, **result):
    """Close the open round with something else than was decided; `result`: what the contract is told."""
    for blob in (told.weights, told.utilities, told.state, told.manifest.encode()):
        if blob is not None:
            put_bytes(federation.store, blob)
    round_ = federation.record().rounds[-1]
    usual = {
        "announcement": round_.opened.announcement,
        "weights": bytes.fromhex(told.manifest.weights.sha256),
        "manifest": told.manifest.id,
        "entries": told.entries,
        "receipts": tuple(event.receipt for event in round_.submissions),
    }
    aggregator = federation.ledger(federation.operator)
    aggregator.close_round(federation.task, round_.number, Result(**(usual | result)))
    federation.rounds().settle_all()


def refer(data):
    """A reference to bytes."""
    return Reference.of(cid_of(data), data)


def with_manifest(decision, **changes):
    """Another manifest around the same decision."""
    return replace(decision, manifest=decision.manifest.model_copy(update=changes))


def with_line(decision, index, **changes):
    """Change one line of the manifest, and the entry with it where the contract is told the same."""
    lines, entries = list(decision.manifest.submissions), list(decision.entries)
    lines[index] = lines[index].model_copy(update=changes)
    told = {name: value for name, value in changes.items() if name in ("share", "quality")}
    entries[index] = replace(entries[index], **told)
    return replace(with_manifest(decision, submissions=tuple(lines)), entries=tuple(entries))


def with_blob(decision, name, data):
    """Other weights, utilities or state, in the store and in the manifest."""
    return replace(with_manifest(decision, **{name: refer(data)}), **{name: data})


# --- one lie a case, in the second of three rounds

ELSEWHERE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
AB = "ab" * 32
NOWHERE = Reference(cid=str(refer(b"nowhere").cid), sha256=AB, size=7)


def reset(federation):
    """Governance goes back to the initial weights."""
    initial = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.owner).reset_weights(federation.task, initial, bytes(32))


def wrong_in_round_2(federation):
    """Mismatches of round 2 as `subject: text`; there are none in any other round, and the exit code is 1."""
    found = audit(federation)
    assert found.code == 1
    assert {round_ for round_, _ in found.where()} == {2}
    assert (3, "round") in found.where("ok")
    return [f"{one['subject']}: {one['text']}" for one in found.findings if one["level"] == "mismatch"]


def named(texts, *words):
    """Whether one text has all these words."""
    return any(all(word in text for word in words) for text in texts)


def cases(table):
    """One case for every way to lie about a field."""
    ways = [(field, *way) for field, ways in table.items() for way in ways]
    ids = [f"{field}-{number}" for number, (field, *_) in enumerate(ways)]
    return pytest.mark.parametrize(("field", "value", "words"), ways, ids=ids)
