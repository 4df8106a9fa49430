"""A document of each kind, with something in every field."""

from __future__ import annotations

from fl.documents import (
    Announcement,
    Details,
    Line,
    Manifest,
    Profile,
    Receipt,
    Reference,
    Terms,
    Verdict,
)
from fl.store.layout import cid_of

ALICE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
BOB = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
HEX = "ab" * 32
BLOB = Reference.of(cid_of(b"blob"), b"blob")
ROUND = {"chain_id": 31337, "contract": ALICE, "task": 1, "round": 3}

TERMS = Terms.model_validate(
    {
        "purpose": "Tell benign from malignant tumours.",
        "tensors": (
            {"name": "layer.weight", "dtype": "F32", "shape": (2, 3)},
            {"name": "norm.variance", "dtype": "F64", "shape": (), "low": "float:0.0", "high": "float:10.0"},
        ),
        "model": {"builder": "mlp", "settings": {"hidden": (32, 16), "dropout": "float:0.1"}},
        "data": {
            "label": "diagnosis",
            "classes": ("benign", "malignant"),
            "columns": (
                {"name": "mean radius", "kind": "number", "center": "float:1.5", "scale": "float:2.0"},
                {"name": "sex", "kind": "category", "categories": ("f", "m")},
            ),
        },
        "code": HEX,
        "weights": BLOB.model_dump(),
        "training": {"epochs": 2, "rate": "float:0.01", "shuffle": True},
        "adjustable": ({"name": "rate", "low": "float:0.0", "high": "float:1.0"}, {"name": "schedule"}),
        "rule": {"name": "FedAvg", "arguments": {}},
        "metrics": ({"name": "log_loss", "low": "float:0.0", "high": "float:100.0"},),
        "scoring": {"rule": "shapley", "utility": "log_loss", "budget": 1024, "validation": None},
        "guard": "none",
        "limits": {"element": "float:10.0", "norm": "float:100.0", "examples": 100_000},
        "tolerance": 10,
        "minimum_gain": 1000,
        "privacy": {"epsilon": "float:1.0", "delta": "float:1e-05"},
        "recipients": (),
        "reward": "1000000000000000000",
        "quorum": 3,
        "window": 600,
        "close_window": 300,
        "settle_delay": 0,
    }
)
PROFILE = Profile(name="St Mary's Hospital", did=f"did:pkh:eip155:1:{ALICE}", encryption_key=None)
ANNOUNCEMENT = Announcement(
    **ROUND, base=BLOB, settings={"rate": "float:0.1"}, invited=(ALICE, BOB), drawn_at=7
)
RECEIPT = Receipt(
    **ROUND,
    trainer=BOB,
    announcement=HEX,
    base=HEX,
    update=BLOB,
    details=BLOB,
    commitment=HEX,
    key=HEX,
)
DETAILS = Details(examples=120, metrics={"log_loss": 0.5, "auc": 1.0}, privacy=None, data=HEX, code=HEX)
LINE = Line(
    trainer=BOB, receipt=HEX, verdict=Verdict.ACCEPTED, share=1, quality=10_000, examples=120, weights=HEX
)
MANIFEST = Manifest(
    **ROUND,
    announcement=HEX,
    base=HEX,
    submissions=(LINE,),
    aggregated=(BOB,),
    utilities=None,
    weights=BLOB,
    state=None,
    metrics={"log_loss": 0.25},
)
SAMPLES = [TERMS, PROFILE, ANNOUNCEMENT, RECEIPT, DETAILS, MANIFEST]
