"""The one function that decides a round. The aggregator closes with its answer; a verifier compares.

It does no I/O of its own and knows no clock: content comes through `read`, what was accepted goes through
`keep`, the rule and the utility are functions, and the same facts give the same bytes on every machine.

Everything is read once. Rule and utility get what is kept tensor by tensor, so a store that stops serving in
the meantime changes nothing. Where `keep` is a spool's, on the disk, and of a model of floats, a decision
holds at most so many beside a few tensors, the base and the rule's memory among them:

- 3 while it checks: the base, and one update sealed and opened
- 3 under FedAvg, FedProx, FedMedian and FedTrimmedAvg: the base, the new weights, and a copy of these
- 4 under FedAvgM (7 with momentum), 6 under QFedAvg, 10 under FedYogi and FedAdagrad, 12 under FedAdam
- 1 and 2 for every update under Krum, MultiKrum and Bulyan, which compare updates with each other
- 4 and 1 for every update where coalitions are measured: for Shapley values, and for a guard

and one for every update on the disk. An integer tensor counts as float64 where it is averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from aggregator import scoring
from aggregator.sizes import Sizes
from aggregator.types import (
    Aggregate,
    Closed,
    Context,
    Failed,
    Keep,
    Read,
    Rule,
    Submission,
    Update,
    Utility,
)
from aggregator.verdicts import Checked, Yardstick, check
from fl import weights
from fl.documents import Line, Manifest, Reference, Terms, Verdict
from fl.errors import DocumentError, StoreUnavailable, UsageError, WeightsError
from fl.fields import Claims
from fl.ledger.types import UNAVAILABLE, Address, Entry
from fl.own import Fault
from fl.store.layout import cid_of


@dataclass(frozen=True)
class Hindsight:
    """What only a verifier has to know, who comes when content may be gone; nothing when a round is decided.

    `denied`: submissions that the aggregator called unavailable. `proven`: weights digests that are known
    without the content.
    """

    denied: AbstractSet[Submission] = frozenset()
    proven: Mapping[Submission, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Everything that a round is decided from, but for content.

    `base`: the round's base weights, as stored. `state`: the rule's memory from the last closed round.
    `index`: closed rounds + 1. `earlier`: weights digests of updates that earlier rounds accepted.
    """

    context: Context
    terms: Terms
    base: bytes
    state: bytes | None
    index: int
    earlier: AbstractSet[bytes]
    submissions: tuple[Submission, ...]
    hindsight: Hindsight = Hindsight()

    @property
    def yardstick(self) -> Yardstick:
        """What each submission is held against. Raises WeightsError when the base is no weights."""
        return Yardstick(self.context, self.terms, self.base, self.earlier)


def decide(facts: Facts, rule: Rule, utility: Utility, read: Read, keep: Keep = dict) -> Closed | Failed:
    """Decide a round: verdicts, then shares, then the aggregate.

    A bad update never raises: it gets its verdict. Raises WeightsError only when the base itself is no
    weights of these terms, and StoreUnavailable when `keep` fails.
    """
    yardstick = facts.yardstick
    checked = examine(facts.submissions, yardstick, read, facts.hindsight, keep)
    try:
        return _close(facts, checked, yardstick.base_arrays, rule, utility)
    except _NoModel as failure:
        return Failed(failure.reason, tuple(one.line(0) for one in checked), failure.fault)


class _NoModel(Exception):
    """The round ends without a new model; `reason` goes onto the chain, `fault` to whoever runs the rule."""

    def __init__(self, reason: str, fault: Fault | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault


def examine(
    submissions: Sequence[Submission], yardstick: Yardstick, read: Read, hindsight: Hindsight, keep: Keep
) -> list[Checked]:
    """Give every submission its verdict, in chain order; one update at a time, then it is kept elsewhere."""
    checked: list[Checked] = []
    for submission in submissions:
        if submission in hindsight.denied:
            checked.append(Checked(submission, Verdict.UNAVAILABLE, UNAVAILABLE))
        else:
            seen = digests(checked, hindsight)
            checked.append(_kept(check(submission, yardstick, read, seen), keep))
    return checked


def _kept(checked: Checked, keep: Keep) -> Checked:
    if checked.update is None:
        return checked
    return replace(checked, update=replace(checked.update, arrays=keep(checked.update.arrays)))


def digests(checked: Sequence[Checked], hindsight: Hindsight) -> frozenset[bytes]:
    """The weights digests of these submissions, as far as anybody knows them."""
    known = (
        hindsight.proven.get(one.submission) if one.verdict is Verdict.UNAVAILABLE else one.weights
        for one in checked
    )
    return frozenset(digest for digest in known if digest is not None)


def _close(
    facts: Facts, checked: Sequence[Checked], base: weights.Arrays, rule: Rule, utility: Utility
) -> Closed:
    """Score, guard, aggregate. Raises _NoModel."""
    updates = [one.update for one in checked if one.update]
    if len(updates) < facts.terms.quorum:
        raise _NoModel("below_quorum")
    scored = _scored(facts, updates, base, utility)
    chosen = scoring.guarded(facts.terms, updates, scored)
    aggregate = _aggregate(facts, chosen, base, rule)
    lines = _lines(checked, scoring.shares(facts.terms, updates, scored))
    utilities = scoring.encode_table(scored.table) if scored.table else None
    new_weights = weights.encode(aggregate.arrays)
    _demand_sizes(facts.terms, weights=new_weights, state=aggregate.state, utilities=utilities)
    manifest = Manifest(
        **_round_of(facts.context),
        submissions=lines,
        aggregated=tuple(update.trainer for update in chosen),
        utilities=_reference(utilities),
        weights=Reference.of(cid_of(new_weights), new_weights),
        state=_reference(aggregate.state),
        metrics=_claims(aggregate),
    )
    _demand_writable(manifest)
    return Closed(manifest, new_weights, aggregate.state, utilities, _entries(lines))


def _scored(
    facts: Facts, updates: Sequence[Update], base: weights.Arrays, utility: Utility
) -> scoring.Scored:
    try:
        scoring.demand_affordable(facts.terms, len(updates))
    except UsageError as error:
        raise _NoModel("scoring_budget") from error
    return scoring.score(facts.terms, facts.context.accumulator, updates, base, utility)


def _aggregate(facts: Facts, chosen: Sequence[Update], base: weights.Arrays, rule: Rule) -> Aggregate:
    """The new weights, in the base's dtypes."""
    if not chosen:  # the guard set everybody aside: nothing is better than the base
        return Aggregate(base, {}, facts.state)
    aggregate = _apply(rule, base, chosen, facts)
    try:
        arrays = weights.cast_like(aggregate.arrays, base)
    except WeightsError as error:
        raise _NoModel("other_tensors") from error
    if not weights.all_finite(arrays):  # a smaller float type can overflow
        raise _NoModel("not_finite")
    return Aggregate(arrays, aggregate.metrics, aggregate.state)


def _apply(rule: Rule, base: weights.Arrays, chosen: Sequence[Update], facts: Facts) -> Aggregate:
    try:
        aggregate = rule(base, chosen, facts.state, facts.index)
        finite = aggregate is None or weights.all_finite(aggregate.arrays)
    except StoreUnavailable:  # what cannot be kept is not the rule's failure
        raise
    except Exception as error:  # a strategy is somebody else's code: its failure ends the round, no more
        raise _NoModel("rule_error", Fault.of(error)) from error
    if aggregate is None:
        raise _NoModel("no_aggregate")
    if not finite:
        raise _NoModel("not_finite")
    return aggregate


# --- writing it down


def _demand_sizes(terms: Terms, **blobs: bytes | None) -> None:
    """What verifiers would refuse to read must not be named: the round fails instead."""
    sizes = Sizes.of(terms)
    for kind, data in blobs.items():
        if data is not None and len(data) not in getattr(sizes, kind):
            raise _NoModel(f"{kind}_too_large")


def _demand_writable(manifest: Manifest) -> None:
    try:
        manifest.encode()
    except DocumentError as error:  # such as metrics without end
        raise _NoModel("manifest_too_large") from error


def _round_of(context: Context) -> dict[str, Any]:
    """The fields that say which round a manifest is of."""
    return {
        "chain_id": context.chain_id,
        "contract": context.contract,
        "task": context.task,
        "round": context.round,
        "announcement": context.announcement.id.hex(),
        "base": context.announcement.base.sha256,
    }


def _lines(checked: Sequence[Checked], shares: Sequence[int]) -> tuple[Line, ...]:
    remaining = iter(shares)
    return tuple(one.line(next(remaining) if one.update else 0) for one in checked)


def _claims(aggregate: Aggregate) -> Claims:
    """The metrics of the aggregate; a rule may report what no manifest can hold."""
    try:
        return _CLAIMS.validate_python(dict(aggregate.metrics))
    except ValidationError as error:
        raise _NoModel("bad_metrics") from error


_CLAIMS = TypeAdapter(Claims, config=ConfigDict(strict=True))


def _reference(data: bytes | None) -> Reference | None:
    return None if data is None else Reference.of(cid_of(data), data)


def _entries(lines: Sequence[Line]) -> tuple[Entry, ...]:
    """What the contract is told of a manifest's lines."""
    return tuple(Entry(Address(line.trainer), line.share, line.quality) for line in lines)
