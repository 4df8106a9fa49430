"""A run's configuration as terms: what every site of it consents to."""

from __future__ import annotations

from flwr.serverapp.strategy import Strategy

from aggregator import rules
from aggregator.founding.draft import stored, tensors
from aggregator.own import load as load_own
from clients.app import CODE
from clients.data import inputs
from experiments.config import RunConfig
from experiments.learning_config import ModelConfig
from experiments.parts import Parts
from experiments.secrets import Secrets
from fl import weights
from fl.canonical import Setting, encode_settings, tag_float
from fl.code import installed_code
from fl.documents import Limits, Metric, Model, Reference, Rule, Scoring, Terms
from fl.examples import encode_examples
from fl.learning import models
from fl.own import is_own
from fl.store.port import BlobStore, put_bytes
from fl.weights import Arrays

METRICS = (
    Metric(name="loss", low=tag_float(0.0), high=tag_float(100.0)),
    Metric(name="accuracy", low=tag_float(0.0), high=tag_float(1.0)),
)
"""What `clients.app` reports with every update."""


def write_terms(config: RunConfig, parts: Parts, store: BlobStore) -> Terms:
    """Store initial weights, the public validation set if there is one, and the terms that name them."""
    model = model_of(config)
    arrays = _initial(config, model, parts)
    terms = Terms(
        purpose=config.purpose,
        tensors=tensors(arrays),
        model=model,
        data=parts.data,
        code=installed_code(*code_of(config).split(",")).hex(),
        weights=stored(store, weights.encode(arrays)),
        training=encode_settings(config.training.model_dump()),
        rule=rule_of(config),
        metrics=METRICS,
        scoring=_scoring(
            config, stored(store, encode_examples(*parts.validation)) if parts.validation else None
        ),
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


def demand_learnable(config: RunConfig, parts: Parts) -> None:
    """Raise UsageError for a model that cannot learn from these rows, or not by the run's rule."""
    model = model_of(config)
    models.demand_usable(model, inputs(parts.data), len(parts.data.classes))
    drawn = tensors(_initial(config, model, parts))
    rules.demand_suitable(rule_of(config), drawn, METRICS, own_strategy(config))


def _initial(config: RunConfig, model: Model, parts: Parts) -> Arrays:
    seed = Secrets(config.seed).number("weights")
    return models.initial_weights(model, inputs(parts.data), len(parts.data.classes), seed)


def rule_of(config: RunConfig) -> Rule:
    """The rule as terms name it, every argument with it. Raises UsageError when no round could work by it."""
    own = own_strategy(config)
    rule = rules.describe(own) if own else rules.complete(config.rule.name, config.rule.arguments)
    rules.demand_suitable(rule, (), METRICS, own)
    return rule


def own_strategy(config: RunConfig) -> Strategy | None:
    """The strategy that a person named as `module:attribute`; None for one of Flower's."""
    return load_own(config.rule.name) if is_own(config.rule.name) else None


def model_of(config: RunConfig) -> Model:
    """The model as terms name it; a function of somebody's own is made available under its name.

    Raises UsageError when there is no such function.
    """
    if is_own(config.model.name):
        models.name_own(config.model.name)
    return Model(builder=config.model.name, settings=encode_settings(_model_settings(config.model)))


def code_of(config: RunConfig) -> str:
    """The code that trains, as a node's configuration names it: ours, and the model's if it is one's own."""
    if not is_own(config.model.name):
        return CODE
    package = config.model.name.partition(":")[0].partition(".")[0]
    return f"{CODE},{package}"


def _model_settings(model: ModelConfig) -> dict[str, Setting]:
    if is_own(model.name):
        return dict(model.settings)
    names = {"logistic": (), "mlp": ("hidden", "dropout"), "cnn": _CNN}[model.name]
    return {name: getattr(model, name) for name in names}


_CNN = ("image", "channels", "kernel", "hidden", "dropout")


def _scoring(config: RunConfig, validation: Reference | None) -> Scoring:
    chosen = config.scoring
    return Scoring(rule=chosen.rule, utility=chosen.utility, budget=chosen.budget, validation=validation)


def _limits(config: RunConfig) -> Limits:
    limits = config.limits
    return Limits(element=tag_float(limits.element), norm=tag_float(limits.norm), examples=limits.examples)
