"""Terms to test with: what the federations of all tests agree to, but for what they say themselves."""

from __future__ import annotations

from typing import Any

from fl import weights
from fl.documents import Reference, Terms
from fl.store.layout import cid_of


def terms_of(base: weights.Arrays, **changes: Any) -> Terms:
    """Terms of a task that begins with these weights."""
    data = weights.encode(base)
    usual = {
        "purpose": "Agree.",
        "tensors": tuple(tensor(name, array) for name, array in base.items()),
        "model": None,
        "data": None,
        "code": "00" * 32,
        "weights": Reference.of(cid_of(data), data).model_dump(),
        "training": {},
        "rule": {"name": "FedAvg", "arguments": {}},
        "metrics": ({"name": "loss", "low": "float:0.0", "high": "float:10.0"},),
        "scoring": {"rule": "equal", "utility": "log_loss", "budget": 1024, "validation": None},
        "guard": "none",
        "limits": {"element": "float:10.0", "norm": "float:15.0", "examples": 1000},
        "tolerance": 10,
        "minimum_gain": 1000,
        "privacy": None,
        "recipients": (),
        "reward": "900",
        "quorum": 2,
        "window": 600,
        "close_window": 400,
        "settle_delay": 50,
    }
    return Terms.model_validate(usual | changes)


def tensor(name: str, array: Any, **bounds: str) -> dict[str, Any]:
    """How terms list one array."""
    return {"name": name, "dtype": weights.dtype_name(array), "shape": array.shape, **bounds}
