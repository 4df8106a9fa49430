"""A task's terms in words: everything that an institution consents to by joining."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rich.table import Table

from fl import output
from fl.agreement import needs_values
from fl.canonical import decode_settings, untag_float
from fl.documents import Adjustable, Data, Reference, Scoring, Tensor, Terms
from fl.money import plain
from fl.weights import DTYPES

_SCORING = {
    "shapley": "by the Shapley value of each update for the model's {utility}, from at most "
    "{budget:,} evaluations a round: exact while all coalitions fit, estimated for more trainers",
    "gtg": "by an estimate of each update's Shapley value for the model's {utility} (GTG-Shapley), from at "
    "most {budget:,} evaluations a round",
    "leave_one_out": "by what the model's {utility} loses when an update is left out, from at most "
    "{budget:,} evaluations a round",
    "equal": "equally among accepted updates",
    "examples": "by the number of examples that each update reports",
}
_GUARDS = {
    "none": "every accepted update is aggregated",
    "positive": "only updates whose value is positive beyond doubt are aggregated; all are paid as scored",
    "best": "of the groups of updates that were tried, only the best one is aggregated; the others are paid "
    "as scored",
}
_SPANS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def show(terms: Terms) -> None:
    """Print the terms, and tables of their columns and tensors."""
    out = output.console()
    table = output.table("What a site consents to", ("about", "the terms say"), ())
    for about, said in lines(terms):
        table.add_row(about, output.safe(said))
    out.print(table, *([_columns(terms.data)] if terms.data else []), _tensors(terms.tensors))


def lines(terms: Terms) -> Iterator[tuple[str, str]]:
    """Topic by topic what the terms say; columns and tensors have tables of their own."""
    yield "terms", terms.id.hex()
    yield "purpose", terms.purpose
    yield "model", _model(terms)
    yield "initial weights", _blob(terms.weights)
    yield "code", f"SHA-256 {terms.code}: a site trains with no other code"
    yield "data", _data(terms)
    yield "training", _settings(terms.training) or "no settings"
    yield "a round may choose", ", ".join(map(_adjustable, terms.adjustable)) or "no setting"
    yield "aggregation", _named(terms.rule.name, terms.rule.arguments)
    yield "every update reports", _reported(terms)
    yield "an update may", _limits(terms)
    yield "privacy", _privacy(terms)
    yield "reward", f"{plain(int(terms.reward))} tokens a round" if int(terms.reward) else "none"
    yield "shared", _scoring(terms.scoring)
    if needs_values(terms.scoring.rule):
        yield "small gains", _gain(terms)
    yield "guard", _guard(terms)
    yield "quorum", f"{_number(terms.quorum, 'accepted update')} a round, or it fails and pays nothing"
    yield "a round lasts", _windows(terms)


# --- each topic


def _model(terms: Terms) -> str:
    size = f"{_number(len(terms.tensors), 'tensor')} of {_number(_elements(terms.tensors), 'number')} in all"
    if terms.model is None:
        return f"the app's own; {size}, listed below"
    return f"{_named(terms.model.builder, terms.model.settings)}; {size}, listed below"


def _elements(tensors: tuple[Tensor, ...]) -> int:
    return sum(math.prod(tensor.shape) for tensor in tensors)


def _blob(reference: Reference) -> str:
    return f"SHA-256 {reference.sha256}, {reference.size:,} bytes"


def _data(terms: Terms) -> str:
    if terms.data is None:
        return "as the app reads it"
    columns, classes = _number(len(terms.data.columns), "column"), ", ".join(terms.data.classes)
    return f"rows of {columns}, listed below; {terms.data.label!r} is one of: {classes}"


def _adjustable(setting: Adjustable) -> str:
    low, high = setting.bounds
    free = (low, high) == (-math.inf, math.inf)
    return f"{setting.name} ({'anything' if free else _between(low, high)})"


def _reported(terms: Terms) -> str:
    metrics = (
        f"{metric.name} ({_between(untag_float(metric.low), untag_float(metric.high))})"
        for metric in terms.metrics
    )
    return ", ".join(("its number of examples", *metrics))


def _limits(terms: Terms) -> str:
    limits = terms.limits
    return (
        f"change a number by at most {_float(limits.element)}, all of them by a norm of at most "
        f"{_float(limits.norm)}, and claim at most {_number(limits.examples, 'example')}"
    )


def _privacy(terms: Terms) -> str:
    if terms.privacy is None:
        return "no budget: nothing is said about differential privacy"
    return f"epsilon {_float(terms.privacy.epsilon)}, delta {_float(terms.privacy.delta)} at most"


def _scoring(scoring: Scoring) -> str:
    said = _rule(scoring.rule, scoring)
    if scoring.validation is None:
        return said
    return f"{said}; measured on the public validation set ({_blob(scoring.validation)})"


def _guard(terms: Terms) -> str:
    """A guard goes by values, even where shares do not."""
    if terms.guard == "none" or needs_values(terms.scoring.rule):
        return _GUARDS[terms.guard]
    return f"{_GUARDS[terms.guard]}; value is measured {_rule('shapley', terms.scoring)}"


def _rule(name: str, scoring: Scoring) -> str:
    return _SCORING[name].format(utility=scoring.utility.replace("_", " "), budget=scoring.budget)


def _gain(terms: Terms) -> str:
    gain, tolerance = _exact(terms.minimum_gain / 1e6), _exact(terms.tolerance / 1e6)
    said = f"when no gain exceeds {gain}, whoever's value is not negative gets the same"
    return f"{said}; two measurements may differ by {tolerance}"


def _windows(terms: Terms) -> str:
    settled = f"{_span(terms.settle_delay)} later" if terms.settle_delay else "at once"
    updates, closing = _span(terms.window), _span(terms.close_window)
    return f"{updates} for updates, then at most {closing} until it is closed; it is settled {settled}"


def _columns(data: Data) -> Table:
    table = output.table("Columns", ("name", "kind", "less", "divided by", "one of"), ())
    for one in data.columns:
        center, scale = (_float(text) if text else "" for text in (one.center, one.scale))
        table.add_row(output.safe(one.name), one.kind, center, scale, output.safe(", ".join(one.categories)))
    return table


def _tensors(tensors: tuple[Tensor, ...]) -> Table:
    table = output.table("Tensors", ("name", "type", "shape", "every number"), ("numbers", "bytes"))
    for tensor in tensors:
        count = math.prod(tensor.shape)
        size = count * DTYPES[tensor.dtype].itemsize
        shape = " × ".join(map(str, tensor.shape)) or "one number"
        table.add_row(
            output.safe(tensor.name), tensor.dtype, shape, _bounds(tensor), f"{count:,}", f"{size:,}"
        )
    return table


def _bounds(tensor: Tensor) -> str:
    low = -math.inf if tensor.low is None else untag_float(tensor.low)
    high = math.inf if tensor.high is None else untag_float(tensor.high)
    return "finite" if (low, high) == (-math.inf, math.inf) else _between(low, high)


# --- words


def _between(low: float, high: float) -> str:
    if low == -math.inf:
        return f"at most {_exact(high)}"
    return f"at least {_exact(low)}" if high == math.inf else f"{_exact(low)} to {_exact(high)}"


def _named(name: str, settings: Mapping[str, object]) -> str:
    said = _settings(settings)
    return f"{name} ({said})" if said else name


def _settings(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in decode_settings(settings).items())


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _float(text: str) -> str:
    return _exact(untag_float(text))


def _exact(number: float) -> str:
    """With every digit that counts: nobody consents to a rounded bound."""
    return f"{number:,}".removesuffix(".0")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _span(seconds: int) -> str:
    """Seconds in words, such as "1 hour 30 minutes"."""
    parts, left = [], seconds
    for name, size in _SPANS:
        if left >= size:
            parts.append(_number(left // size, name))
        left %= size
    return " ".join(parts)
