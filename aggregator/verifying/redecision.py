"""A round that has ended, decided again from what is left, as far as that goes.

What is lost or damaged is a mismatch where it belongs, and once; what rests on it is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from aggregator import scoring
from aggregator.decision import Facts, decide
from aggregator.heritage import Heritage
from aggregator.record import Record, Round
from aggregator.spool import Spool
from aggregator.types import Aggregate, Closed, Failed, Rule, Utility
from aggregator.verdicts import possible
from aggregator.verifying.closeness import Closeness
from aggregator.verifying.comparison import Fate, RecordedUtility, compare, compare_lines, recorded_rule
from aggregator.verifying.findings import Findings, Kind
from aggregator.verifying.hindsight import digests, hindsight, replayed
from fl import agreement, weights
from fl.documents import Line, Manifest, Reference, Terms, Verdict
from fl.errors import (
    BlobUnavailable,
    DocumentError,
    FedledgerError,
    OwnCodeError,
    StoreError,
    UsageError,
    WeightsError,
)
from fl.store.cid import Cid

MakeRule = Callable[[Terms], Rule]
"""Builds the rule that the terms name from what is installed. Raises UsageError for an unknown one."""

Loose = Callable[[Terms], AbstractSet[str]]
"""Fields of a manifest that the terms' rule may give with other last digits on another machine."""

MakeUtility = Callable[[Terms, bytes | None], Utility]
"""Builds the utility from the terms and the validation set. Raises UsageError when it cannot."""


@dataclass(frozen=True)
class Tools:
    """What this machine has installed to decide with, and whom to tell about progress."""

    rule: MakeRule
    utility: MakeUtility
    progress: Callable[[int, int], None] = lambda _done, _all: None
    loose: Loose = lambda _terms: frozenset()


class Redecision:
    """One round, decided again."""

    def __init__(self, record: Record, round_: Round, tools: Tools, findings: Findings) -> None:
        self.record = record
        self.round = round_
        self.tools = tools
        self.findings = findings

    def of_closed(self, manifest: Manifest) -> None:
        """Hold a closed round's manifest against its facts."""
        try:
            facts = self._facts_of(manifest)
        except (StoreError, DocumentError) as error:
            self.findings.unchecked(Kind.ROUNDS, f"cannot be decided again: {error.message}")
            return
        try:
            self._compare(manifest, facts)
        except WeightsError as error:
            self.findings.mismatch(f"closed on base weights that are none: {error.message}")

    def of_failed(self) -> Closed | Failed:
        """What a failed round comes to. Raises what keeps anybody from deciding it."""
        with _naming("the terms"):
            terms = self.record.terms()
        heritage = self.record.heritage(self.round.number)
        facts = replace(self._facts(heritage), state=self._memory(heritage))
        utility = RecordedUtility(terms, None, self._own_utility(terms))
        return self._decided(facts, self.tools.rule(terms), utility)

    def _decided(self, facts: Facts, rule: Rule, utility: Utility) -> Closed | Failed:
        with Spool() as aside:
            return decide(facts, rule, utility, self.record.read, aside.put_arrays)

    def _compare(self, manifest: Manifest, facts: Facts) -> None:
        """Hold the manifest against what its facts give, as far as they can be had."""
        terms = facts.terms
        table, rule = self._table(terms, manifest), self._rule(terms, manifest)
        utility = RecordedUtility(terms, table, self._own_utility(terms))
        decision = self._decided(facts, rule or _keep_base, utility)
        lines = decision.manifest.submissions if isinstance(decision, Closed) else decision.lines
        fate_of = partial(self._fate, facts, lines)
        if _gone(manifest.submissions, lines):
            compare_lines(manifest.submissions, lines, fate_of, self.findings, {"share"})
            self.findings.unchecked(Kind.AGGREGATES, "the aggregate: it rests on updates that cannot be had")
            self.findings.unchecked(Kind.SHARES, "shares: they rest on updates that cannot be had")
            return
        utility.report(self.findings)
        if isinstance(decision, Closed):
            unknown = _resting_on_utilities(terms) if table is None else frozenset[str]()
            unknown |= frozenset() if rule else _AGGREGATE
            near = Closeness(self.record, self.tools.loose(terms), self.findings).near
            compare(
                manifest,
                decision.manifest,
                fate_of,
                self.findings,
                unknown,
                partial(near, manifest, decision),
            )
        else:
            self.findings.mismatch(f"closed, but decided again it fails: {decision.told}")
            compare_lines(manifest.submissions, lines, fate_of, self.findings, {"share"})

    def _facts_of(self, manifest: Manifest) -> Facts:
        """What a closed round was decided from; where manifests are lost, the aggregator's word counts.

        Raises StoreError or DocumentError for what nobody can decide without.
        """
        lines, earlier = manifest.submissions, frozenset[bytes]()
        with _naming("the terms"):
            heritage = self.record.inherited(self.round.number)
        facts = self._facts(heritage)
        if heritage.lost:
            numbers = ", ".join(map(str, heritage.lost))
            self.findings.unchecked(
                Kind.VERDICTS,
                f"whether an update repeats one that round {numbers} accepted: that manifest cannot be had",
            )
            earlier = replayed(lines)
        return replace(
            facts,
            state=self._memory_or_recorded(heritage, manifest),
            earlier=earlier.union(facts.earlier) if earlier else facts.earlier,
            hindsight=hindsight(self.record, self.round, lines),
        )

    def _facts(self, heritage: Heritage) -> Facts:
        """Everything but the rule's memory and hindsight."""
        with _naming("the announcement"):
            self.record.announcement(self.round)
        with _naming("the base weights"):
            return self.record.facts(self.round, replace(heritage, state=None))

    def _memory(self, heritage: Heritage) -> bytes | None:
        """The rule's memory; None before it has any. Raises StoreError when it is lost."""
        if heritage.forgotten:
            raise StoreError(f"the rule's memory is lost with the manifest of round {heritage.lost[-1]}")
        with _naming("the rule's memory"):
            return self._blob(heritage.state)

    def _memory_or_recorded(self, heritage: Heritage, manifest: Manifest) -> bytes | None:
        """The rule's memory; where it is lost, which the choice of the rule tells, the recorded next one."""
        with suppress(StoreError):
            return self._memory(heritage)
        with suppress(StoreError):
            return self._blob(manifest.state)
        return None

    def _fate(self, facts: Facts, lines: Sequence[Line], place: int) -> Fate:
        """What has become of the content of the submission at `place`; `lines`: all, decided again."""
        troubles: list[str] = []
        submission, seen = facts.submissions[place], digests(lines[:place], facts.hindsight)

        def read(cid: Cid, limit: int) -> bytes:
            try:
                return self.record.read(cid, limit)
            except BlobUnavailable as error:
                troubles.append(error.message)
                raise

        allowed = possible(submission, facts.yardstick, read, seen)
        return Fate(self._there(submission.receipt), " ".join(troubles), allowed)

    def _there(self, receipt: bytes) -> bool:
        try:
            self.record.document(receipt)
        except StoreError:
            return False
        return True

    def _rule(self, terms: Terms, manifest: Manifest) -> Rule | None:
        """The terms' rule; where it or its memory is missing, what was recorded; None if that is lost too."""
        try:
            rule = self.tools.rule(terms)
            if manifest.state:  # a rule without memory misses none
                self._memory(self.record.inherited(self.round.number))
        except (UsageError, StoreError) as error:
            self.findings.unchecked(Kind.AGGREGATES, f"the aggregate: {with_hint(error)}")
            return self._recorded_rule(terms, manifest)
        return rule

    def _recorded_rule(self, terms: Terms, manifest: Manifest) -> Rule | None:
        with suppress(StoreError):  # named where it is missing
            data = self.record.blob(manifest.weights, self.record.sizes.weights)
            state = self._blob(manifest.state)
            with self.findings.about(self.round.number, "weights"):
                return recorded_rule(manifest, weights.decode(data, terms.order), state)
        return None

    def _blob(self, reference: Reference | None) -> bytes | None:
        return self.record.blob(reference) if reference else None

    def _table(self, terms: Terms, manifest: Manifest) -> scoring.Table | None:
        """The recorded utilities; None where nothing rests on them, or they cannot be had, which is said."""
        if not agreement.needs_utilities(terms):
            return None
        with self.findings.about(self.round.number, "utilities"):
            if manifest.utilities is None:
                raise DocumentError("the manifest names no table of utilities")
            return scoring.decode_table(self.record.blob(manifest.utilities, self.record.sizes.utilities))
        resting = "shares" if terms.guard == "none" else "shares, and what the guard let in"
        self.findings.unchecked(Kind.SHARES, f"{resting}: they rest on the table of utilities")
        return None

    def _own_utility(self, terms: Terms) -> Utility | None:
        try:
            with _naming("the validation set"):
                validation = self._blob(terms.scoring.validation)
            return self.tools.utility(terms, validation)
        except (UsageError, OwnCodeError, StoreError) as error:
            if agreement.needs_utilities(terms):
                self.findings.unchecked(Kind.UTILITIES, f"utilities: {with_hint(error)}")
            return None


def _gone(recorded: Sequence[Line], found: Sequence[Line]) -> bool:
    """Whether the content of an accepted update is gone."""
    unavailable = {line.trainer for line in found if line.verdict is Verdict.UNAVAILABLE}
    return any(one.verdict is Verdict.ACCEPTED and one.trainer in unavailable for one in recorded)


_AGGREGATE = frozenset({"weights", "state", "metrics"})
"""Fields of a manifest that a rule gives."""


def _keep_base(base: weights.Arrays, _updates: object, _state: object, _index: object) -> Aggregate:
    return Aggregate(base, {})


def _resting_on_utilities(terms: Terms) -> frozenset[str]:
    """Fields of a manifest that cannot be compared without its table."""
    if not agreement.needs_utilities(terms):
        return frozenset()
    shares = {"share"} if agreement.needs_values(terms.scoring.rule) else set[str]()
    guarded = {"aggregated", *_AGGREGATE} if terms.guard != "none" else set[str]()
    return frozenset({"utilities", *shares, *guarded})


def with_hint(error: FedledgerError) -> str:
    """What went wrong and what to do next, for a table that has one column for both."""
    return f"{error.message} {error.hint}".rstrip()


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say in an error what it was that could not be had."""
    try:
        yield
    except (StoreError, DocumentError) as error:
        raise type(error)(f"{what}: {error.message}", error.hint) from error
