"""Terms for somebody's own Flower app: from what the app asks for, and a few choices.

The app says which tensors, settings and strategy; nobody has to write them down a second time.
"""

from __future__ import annotations

from collections.abc import Iterator

from flwr.serverapp.strategy import QFedAvg
from pydantic import ValidationError

from aggregator import rules
from aggregator.founding.choices import Choices
from aggregator.plan import Plan
from fl import weights
from fl.canonical import encode_settings, tag_float
from fl.documents import Adjustable, Limits, Metric, Reference, Scoring, Tensor, Terms
from fl.errors import UsageError
from fl.store.port import BlobStore, put_bytes
from fl.weights import Arrays

MAX_LOSS = 1e6
"""The highest loss that QFedAvg's updates may report, unless the choices say otherwise."""


def draft(plan: Plan, choices: Choices, code: bytes, store: BlobStore) -> Terms:
    """Store initial weights and the terms that name them; `code` is the digest of what trains (32 bytes).

    Raises UsageError for a strategy that is not supported and for names that no document takes, WeightsError
    for a dtype that weights cannot hold, such as bfloat16.
    """
    initial = stored(store, weights.encode(plan.arrays))
    try:
        terms = _terms(plan, choices, code, initial)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        reason = detail["msg"].removeprefix("Value error, ")
        raise UsageError(f"No terms can name {detail['input']!r:.80}: {reason}.") from error
    rules.demand_suitable(terms.rule, terms.tensors, terms.metrics, plan.strategy)
    put_bytes(store, terms.encode())
    return terms


def _terms(plan: Plan, choices: Choices, code: bytes, initial: Reference) -> Terms:
    return Terms(
        purpose=choices.purpose,
        tensors=tensors(plan.arrays),
        model=None,
        data=None,
        code=code.hex(),
        weights=initial,
        training=encode_settings(plan.training),
        adjustable=tuple(_adjustables(choices)),
        rule=rules.describe(plan.strategy),
        metrics=tuple(_metrics(plan, choices)),
        scoring=Scoring(rule=choices.scoring, utility="log_loss", budget=1, validation=None),
        guard="none",
        limits=_limits(choices),
        tolerance=0,  # of utilities, and none is measured
        minimum_gain=0,
        privacy=None,
        recipients=(),
        reward=str(choices.reward_units),
        quorum=choices.quorum,
        window=choices.window,
        close_window=choices.close_window,
        settle_delay=choices.settle_delay,
    )


def _adjustables(choices: Choices) -> Iterator[Adjustable]:
    for name, (low, high) in choices.adjustable.items():
        yield Adjustable(name=name, low=tag_float(low), high=tag_float(high))


def _metrics(plan: Plan, choices: Choices) -> Iterator[Metric]:
    """The chosen ones, and the loss that QFedAvg weighs updates by."""
    needed = {plan.strategy.train_loss_key: (0.0, MAX_LOSS)} if isinstance(plan.strategy, QFedAvg) else {}
    for name, (low, high) in (needed | choices.metrics).items():
        yield Metric(name=name, low=tag_float(low), high=tag_float(high))


def _limits(choices: Choices) -> Limits:
    limits = choices.limits
    return Limits(element=tag_float(limits.element), norm=tag_float(limits.norm), examples=limits.examples)


def tensors(arrays: Arrays) -> tuple[Tensor, ...]:
    """Arrays as terms list them, in their own order. Raises WeightsError for a dtype of no terms."""
    return tuple(
        Tensor.model_validate({"name": name, "dtype": weights.dtype_name(array, name), "shape": array.shape})
        for name, array in arrays.items()
    )


def stored(store: BlobStore, data: bytes) -> Reference:
    """Store a blob and refer to it."""
    return Reference.of(put_bytes(store, data), data)


def differences(terms: Terms, others: Terms) -> list[str]:
    """In which fields two terms differ, initial weights left out: an app may draw them anew."""
    said, other = terms.model_dump(), others.model_dump()
    return [name for name in said if name != "weights" and said[name] != other[name]]
