"""From chain and store to results: everything but timing follows from what anybody can read."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version

from aggregator.record import Record, Round
from experiments import baselines, results
from experiments.config import RunConfig
from experiments.results import Metrics
from experiments.secrets import Secrets
from experiments.sites import Sites
from fl import weights
from fl.canonical import decode_settings
from fl.documents import Manifest, Reference, Terms, Verdict
from fl.examples import Examples
from fl.learning import evaluation
from fl.learning.models import build
from fl.learning.training import Training
from fl.ledger.types import FULL_QUALITY, Address
from fl.weights import Arrays


class Summary:
    """What a run's task amounts to; models are measured on the test rows `test`."""

    def __init__(self, config: RunConfig, sites: Sites, terms: Terms, test: Examples) -> None:
        assert terms.model is not None, "a run's terms name a model"
        assert terms.data is not None, "a run's terms describe the rows"
        self._config = config
        self._names = {sites.address(name): name for name in sites.names}
        self._misbehaviours = {name: kind.name for name, kind in sites.misbehaviours.items()}
        self._terms = terms
        self._test = test
        self._module = build(terms.model, test.x.shape[1], len(terms.data.classes))
        self._measured: dict[str, Metrics] = {}

    def metrics(self, record: Record, reference: Reference) -> Metrics:
        """How good these weights are on the test rows."""
        if reference.sha256 not in self._measured:
            found = evaluation.metrics(self._module, self._arrays(record, reference), *self._test)
            self._measured[reference.sha256] = Metrics(**found)
        return self._measured[reference.sha256]

    def _arrays(self, record: Record, reference: Reference) -> Arrays:
        return weights.decode(record.blob(reference), self._terms.order)

    # --- rounds

    def rounds(self, record: Record) -> tuple[results.Round, ...]:
        """Every round, by number."""
        in_force, found = self._terms.weights, []
        for round_ in record.rounds:
            manifest = record.manifest(round_) if round_.closed else None
            in_force = manifest.weights if manifest else in_force
            found.append(self.round(record, round_, manifest, in_force))
        return tuple(found)

    def round(
        self, record: Record, round_: Round, manifest: Manifest | None, in_force: Reference
    ) -> results.Round:
        """One round; `in_force` are the weights after it."""
        lines = manifest.submissions if manifest else ()
        refused = tuple(
            results.Refusal(self._name(line.trainer), line.verdict.value)
            for line in lines
            if line.verdict is not Verdict.ACCEPTED
        )
        return results.Round(
            round=round_.number,
            outcome=_outcome(round_),
            metrics=self.metrics(record, in_force),
            gas=_gas(record, round_),
            accepted=tuple(self._name(line.trainer) for line in lines if line.verdict is Verdict.ACCEPTED),
            refused=refused,
            credits=self._credits(round_),
            manifest=manifest.id.hex() if manifest else None,
            aggregated=tuple(self._name(trainer) for trainer in manifest.aggregated) if manifest else (),
        )

    def _credits(self, round_: Round) -> tuple[results.Credit, ...]:
        if not (round_.closed and round_.settled):
            return ()
        pairs = zip(round_.closed.entries, round_.settled.credits, strict=True)
        return tuple(
            results.Credit(self._name(entry.trainer), entry.share, str(credit.amount), credit.reputation)
            for entry, credit in pairs
        )

    def _name(self, address: str) -> str:
        return self._names.get(Address(address), address)

    # --- contributors

    def contributors(self, record: Record, rows: Sequence[Examples]) -> tuple[results.Contributor, ...]:
        """Every trainer over the whole run, in the order of the sites."""
        equal = _equal_shares(record)
        return tuple(
            self._contributor(record, address, name, len(own.y), equal.get(address, 0.0))
            for (address, name), own in zip(self._names.items(), rows, strict=True)
        )

    def _contributor(
        self, record: Record, address: Address, name: str, examples: int, equal: float
    ) -> results.Contributor:
        held = record.ledger.member(address)
        entries = [entry for round_ in record.rounds if round_.closed for entry in round_.closed.entries]
        own = [entry.quality == FULL_QUALITY for entry in entries if entry.trainer == address]
        credits = [credit for round_ in record.rounds for credit in self._credits(round_)]
        earned = sum(int(credit.earned) for credit in credits if credit.trainer == name)
        return results.Contributor(
            name=name,
            address=address,
            examples=examples,
            share=_mean([_part(round_, address) for round_ in record.rounds if round_.settled]),
            quality=_mean(own),
            reputation=held.reputation,
            earned=str(earned),
            balance=str(held.balance),
            misbehaviour=self._misbehaviours.get(name),
            equal_shares=earned / equal if equal else None,
        )

    # --- baselines

    def baselines(self, record: Record, rows: Sequence[Examples]) -> results.Baselines:
        """Each trainer alone and all rows in one place, from the same weights, for as many epochs."""
        assert self._terms.model is not None, "checked above"
        baseline = baselines.Baseline(
            self._terms.model,
            len(self._terms.data.classes) if self._terms.data else 0,
            self._arrays(record, self._terms.weights),
            Training.of(decode_settings(self._terms.training)),
            self._config.rounds,
            Secrets(self._config.seed).number("baselines"),
        )
        alone = zip(self._names.values(), baselines.alone(baseline, rows, self._test), strict=True)
        return results.Baselines(
            tuple(results.Alone(name, Metrics(**metrics)) for name, metrics in alone),
            Metrics(**baselines.pooled(baseline, rows, self._test)),
        )


def _outcome(round_: Round) -> str:
    ended = round_.voided or round_.failed
    reason = f": {ended.reason.rstrip(bytes(1)).decode('ascii', 'replace')}" if ended else ""
    return f"{round_.stage.value}{reason}"


def _gas(record: Record, round_: Round) -> results.Gas:
    ended = round_.closed or round_.failed
    gas = record.ledger.gas
    return results.Gas(
        open=gas(round_.opened.at.transaction),
        submit=sum(gas(event.at.transaction) for event in round_.submissions),
        close=gas(ended.at.transaction) if ended else 0,
        settle=gas(round_.settled.at.transaction) if round_.settled else 0,
    )


def _part(round_: Round, address: Address) -> float:
    """Which fraction of a settled round's shares one trainer has."""
    assert round_.closed is not None, "a settled round is a closed one"
    whole = sum(entry.share for entry in round_.closed.entries)
    own = sum(entry.share for entry in round_.closed.entries if entry.trainer == address)
    return own / whole if whole else 0.0


def _equal_shares(record: Record) -> Mapping[Address, float]:
    """What trainers would have earned had each settled round paid all whom it asked alike, in units."""
    found: defaultdict[Address, float] = defaultdict(float)
    for round_ in record.rounds:
        if round_.settled:
            asked = record.announcement(round_).invited or _seated(record, round_)
            for trainer in asked:
                found[Address(trainer)] += round_.settled.paid / len(asked)
    return found


def _seated(record: Record, round_: Round) -> Collection[Address]:
    """Who had a seat when the round was opened."""
    return record.seating.seats(round_.opened.at.block, round_.number).values()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def versions() -> dict[str, str]:
    """What made these results."""
    names = ("fedledger", "flwr", "torch", "numpy", "web3", "py-evm")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
