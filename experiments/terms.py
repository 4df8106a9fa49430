"""A run's configuration as terms: what every site of it consents to."""

from __future__ import annotations

from aggregator import rules
from aggregator.founding.draft import stored, tensors
from clients.app import CODE
from experiments.config import RunConfig
from experiments.parts import Parts
from experiments.secrets import Secrets
from fl import weights
from fl.canonical import Setting, encode_settings, tag_float
from fl.code import installed_code
from fl.documents import Limits, Metric, Model, Reference, Rule, Scoring, Terms
from fl.examples import encode_examples
from fl.learning.models import initial_weights
from fl.store.port import BlobStore, put_bytes

METRICS = (
    Metric(name="loss", low=tag_float(0.0), high=tag_float(100.0)),
    Metric(name="accuracy", low=tag_float(0.0), high=tag_float(1.0)),
)
"""What `clients.app` reports with every update."""


def write_terms(config: RunConfig, parts: Parts, store: BlobStore) -> Terms:
    """Store initial weights, the public validation set and the terms that name them."""
    model = Model(builder=config.model.name, settings=encode_settings(_model_settings(config)))
    arrays = initial_weights(
        model, parts.validation.x.shape[1], len(parts.data.classes), Secrets(config.seed).number("weights")
    )
    terms = Terms(
        purpose=config.purpose,
        tensors=tensors(arrays),
        model=model,
        data=parts.data,
        code=installed_code(*CODE.split(",")).hex(),
        weights=stored(store, weights.encode(arrays)),
        training=encode_settings(config.training.model_dump()),
        rule=rule_of(config),
        metrics=METRICS,
        scoring=_scoring(config, stored(store, encode_examples(*parts.validation))),
        guard=config.scoring.guard,
        limits=_limits(config),
        tolerance=config.scoring.tolerance,
        minimum_gain=config.scoring.minimum_gain,
        privacy=None,
        recipients=(),
        reward=str(config.money.units),
        quorum=config.windows.quorum,
        window=config.windows.window,
        close_window=config.windows.close_window,
        settle_delay=config.windows.settle_delay,
    )
    put_bytes(store, terms.encode())
    return terms


def rule_of(config: RunConfig) -> Rule:
    """The rule as terms name it, every argument with it. Raises UsageError when no round could work by it."""
    rule = rules.complete(config.rule.name, config.rule.arguments)
    rules.demand_suitable(rule, (), METRICS)  # every model here has floats only
    return rule


def _model_settings(config: RunConfig) -> dict[str, Setting]:
    return {"hidden": config.model.hidden} if config.model.name == "mlp" else {}


def _scoring(config: RunConfig, validation: Reference) -> Scoring:
    chosen = config.scoring
    return Scoring(rule=chosen.rule, utility=chosen.utility, budget=chosen.budget, validation=validation)


def _limits(config: RunConfig) -> Limits:
    limits = config.limits
    return Limits(element=tag_float(limits.element), norm=tag_float(limits.norm), examples=limits.examples)
