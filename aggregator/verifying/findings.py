"""What a verification found: a list of findings, each about one subject of one round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from fl.errors import FedledgerError, LedgerUnavailable, OwnCodeError, StoreUnavailable


class Level(StrEnum):
    """`mismatch` makes a verification fail; `unchecked` is what nobody can establish (any more)."""

    OK = "ok"
    NOTE = "note"
    UNCHECKED = "not checked"
    MISMATCH = "mismatch"


class Kind(StrEnum):
    """What a conclusion counts: what could not be checked, and rounds in which sites worked for nothing."""

    VERDICTS = "verdicts"
    REFUSALS = "unproven refusals"
    AGGREGATES = "aggregates"
    UTILITIES = "utilities"
    SHARES = "shares"
    ROUNDS = "whole rounds"
    FAILED = "failed rounds"
    VOIDED = "voided"
    UNPAID = "failed in spite of a quorum"


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `round` is None for the task as a whole, `kind` where nobody counts it."""

    level: Level
    round: int | None
    subject: str
    text: str
    kind: Kind | None = None


class Findings:
    """Collects findings. `about` names the subject of everything that is found inside it."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._round: int | None = None
        self._subject = ""

    @contextmanager
    def about(self, round_: int | None, subject: str, ok: str = "") -> Iterator[None]:
        """Find something about this subject; an error of ours inside is a mismatch, and the walk goes on.

        A ledger or store that does not answer at all is no finding, nor is a model of the caller's own that
        fails: what they raise is raised.
        `ok` is recorded when nothing inside differed, and says so when not all of it could be checked.
        """
        outer, before = (self._round, self._subject), len(self._found)
        self._round, self._subject = round_, subject
        try:
            yield
        except (LedgerUnavailable, StoreUnavailable, OwnCodeError):  # which say nothing about any subject
            raise
        except FedledgerError as error:
            self.mismatch(error.message)
        inside = self._found[before:]
        if ok and not mismatches(inside) and all(one.kind is not Kind.ROUNDS for one in inside):
            partly = any(one.level is Level.UNCHECKED for one in inside)
            self.add(Level.OK, f"{ok}, as far as it can be checked" if partly else ok)
        self._round, self._subject = outer

    def add(self, level: Level, text: str, kind: Kind | None = None) -> None:
        """Record a finding about the current subject."""
        self._found.append(Finding(level, self._round, self._subject, text, kind))

    def expect(self, holds: bool, otherwise: str) -> None:
        """Record a mismatch unless `holds`."""
        if not holds:
            self.mismatch(otherwise)

    def mismatch(self, text: str) -> None:
        """Something is not as it must be."""
        self.add(Level.MISMATCH, text)

    def unchecked(self, kind: Kind, text: str) -> None:
        """Something cannot be established."""
        self.add(Level.UNCHECKED, text, kind)

    def note(self, text: str, kind: Kind | None = None) -> None:
        """Something that a reader should know."""
        self.add(Level.NOTE, text, kind)

    def all(self) -> tuple[Finding, ...]:
        """Everything found, in the order in which it was."""
        return tuple(self._found)


def mismatches(found: Iterable[Finding]) -> list[Finding]:
    """The findings that make a verification fail."""
    return [finding for finding in found if finding.level is Level.MISMATCH]
