"""What the results in a run's folder say of its rounds, held against what the chain has of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aggregator.record import Record
from aggregator.verifying.findings import Finding, Findings

FILE = "results.json"  # as `fl run` calls it, of which nothing is known here
_HALF = "was the chain's file copied without what lay beside it?"


def check(folder: Path, record: Record) -> tuple[Finding, ...]:
    """A mismatch for every round that the results list otherwise than the chain; nothing without results."""
    findings = Findings()
    with findings.about(None, FILE):
        said = _said(folder / FILE, findings)
    if said and (said["task"], said["contract"]) == (record.task, record.ledger.contract):
        for number, difference in _differences(said["rounds"], record):
            with findings.about(number, FILE):
                findings.mismatch(difference)
    return findings.all()


def _said(file: Path, findings: Findings) -> dict[str, Any]:
    """What stands in the file, as far as it is needed; nothing where there is none."""
    try:
        said = json.loads(file.read_bytes())
        rounds = [{key: one[key] for key in ("round", "outcome", "manifest")} for one in said["rounds"]]
        return {"task": said["task"], "contract": said["contract"], "rounds": rounds}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        findings.note("cannot be read as the results of a run: the chain was held against nothing in it")
        return {}


def _differences(claimed: list[dict[str, Any]], record: Record) -> Iterator[tuple[int, str]]:
    there = {round_.number: round_ for round_ in record.rounds}
    for one in claimed:
        round_ = there.get(one["round"])
        if round_ is None or not round_.ended:
            missing = "round" if round_ is None else "end of it"
            yield one["round"], f"says {one['outcome']}, and the chain has no such {missing}: {_HALF}"
        elif (found := round_.closed.manifest.hex() if round_.closed else None) != one["manifest"]:
            yield one["round"], f"names the manifest {one['manifest']}, and the chain {found}"
