"""What Mallory may make of an update, its details and its receipt: by name, the one thing that is wrong."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable

import numpy as np
from mallory import Forge, Forger
from safetensors.numpy import save

from fl import weights
from fl.canonical import sha256
from fl.documents import Reference
from fl.store import node
from fl.store.cid import Cid
from fl.store.layout import cid_of
from fl.store.node import Link

# --- bytes that are no document

SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "not UTF-8": lambda data: data.replace(b'"version":1', b'"version":"\xff"'),
    "a lone surrogate": lambda data: data.replace(b'"version":1', b'"version":"\\ud800"'),
    "not canonical": lambda data: data + b"\n",
    "a key twice": lambda data: data.replace(b'"version":1', b'"version":1,"version":1'),
    "a float out of place": lambda data: data.replace(b'"version":1', b'"version":1.5'),
    "a number that is not finite": lambda data: data.replace(b'"version":1', b'"version":NaN'),
    "an integer of 2^53": lambda data: data.replace(b'"version":1', b'"version":9007199254740992'),
    "another type": lambda data: data.replace(b'"type":"', b'"type":"x'),
    "another version": lambda data: data.replace(b'"version":1', b'"version":2'),
    "a field missing": lambda data: data.replace(b',"version":1', b""),
    "a field too many": lambda data: data[:-1] + b',"zz":1}',
    "nested too deep": lambda data: data.replace(b'"version":1', b'"version":' + b"[" * 17 + b"]" * 17),
    "a string without an end": lambda _: b'"' + b'\\"' * 130_000,
    "nothing": lambda _: b"",
}
NAMES_SPOILED = {"markup": "<b>", "a control character": "\x1b[2J", "text from the right": "\u202e"}


def _receipt(spoil: Callable[[bytes], bytes]) -> Forge:
    return lambda f: spoil(f.receipt())


def _details(spoil: Callable[[bytes], bytes]) -> Forge:
    return lambda f: f.receipt(claims=spoil(f.details.encode()))


def _named(name: str) -> Forge:
    return lambda f: f.receipt(claims=f.claiming(metrics={"loss": 0.5, name: 0.5}))


NO_DOCUMENTS: dict[str, Forge] = {
    **{f"receipt: {how}": _receipt(spoil) for how, spoil in SPOILED.items()},
    **{f"details: {how}": _details(SPOILED[how]) for how in ("not canonical", "another type", "nothing")},
    **{f"details: {what} in a name": _named(name) for what, name in NAMES_SPOILED.items()},
}

# --- references that lead nowhere

GOOD = cid_of(b"a good one")
SPELLINGS = {
    "version 0": "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPBdG",
    "another codec": "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    "an identity hash": "bafkqaaa",
    "upper case": str(GOOD).upper(),
    "another base": "f" + bytes(GOOD).hex(),
    "padding": f"{GOOD}=",
    "a blank before": f" {GOOD}",
    "a path": f"/ipfs/{GOOD}",
    "a path below": f"{GOOD}/model",
    "nothing": "",
}


def _spelled(part: str, cid: str) -> Forge:
    return lambda f: f.receipt(**{part: f.stored(f.sealed(part), cid=cid)})


CIDS: dict[str, Forge] = {
    **{f"update: {how}": _spelled("update", cid) for how, cid in SPELLINGS.items()},
    **{f"details: {how}": _spelled("details", SPELLINGS[how]) for how in ("version 0", "a path")},
}

# --- blobs that are laid out in another way than their size demands


def _below_a_node(f: Forger, blob: bytes) -> Reference:
    above = node.encode([Link(f.stored(blob).parsed(), len(blob), len(blob))])
    return f.planted(Cid.dag(sha256(above)), above, blob)


def _in_tiny_leaves(f: Forger, blob: bytes) -> Reference:
    leaves = [blob[at : at + 100] for at in range(0, len(blob), 100)]
    above = node.encode([Link(f.stored(leaf).parsed(), len(leaf), len(leaf)) for leaf in leaves])
    return f.planted(Cid.dag(sha256(above)), above, blob)


def _called_a_node(f: Forger, blob: bytes) -> Reference:
    return f.planted(Cid.dag(sha256(blob)), blob, blob)


def _of_petabytes(f: Forger, blob: bytes) -> Reference:
    """The same leaf again and again, each of terabytes, as it says."""
    above = node.encode([Link(f.stored(b"x").parsed(), 2**45, 2**45)] * 174)
    return f.planted(Cid.dag(sha256(above)), above, blob)


SHAPES = {
    "deeper than its size needs": _below_a_node,
    "in tiny leaves": _in_tiny_leaves,
    "called a node": _called_a_node,
    "of petabytes": _of_petabytes,
}


def _shaped(part: str, shape: Callable[[Forger, bytes], Reference]) -> Forge:
    return lambda f: f.receipt(**{part: shape(f, f.sealed(part))})


LAYOUTS: dict[str, Forge] = {
    **{f"update: {how}": _shaped("update", shape) for how, shape in SHAPES.items()},
    "details: deeper than their size needs": _shaped("details", _below_a_node),
}

# --- files of the right size that are not the base's tensors


def _zipped(base: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("weights", b"")
    return stream.getvalue().ljust(len(base), b"\0")


def _with_metadata(base: bytes) -> bytes:
    return save({"weight": np.zeros(2, np.float32)}, metadata={"by": "mallory"}).ljust(len(base), b"\0")


FILES: dict[str, Callable[[bytes], bytes]] = {
    "renamed": lambda base: base.replace(b'"steps"', b'"Steps"'),
    "another dtype": lambda base: base.replace(b'"I64"', b'"F64"'),
    "another shape": lambda base: base.replace(b'"shape":[2,2]', b'"shape":[4,1]'),
    "metadata": _with_metadata,
    "a hole": lambda base: base.replace(b'"data_offsets":[0,', b'"data_offsets":[1,'),
    "an overlap": lambda base: base.replace(b'"data_offsets":[8,', b'"data_offsets":[0,'),
    "a pickle": lambda base: pickle.dumps(b"x" * 64).ljust(len(base), b"\0"),
    "a zip": _zipped,
    "a header of exabytes": lambda base: b"\xff" * len(base),
    "zeros": lambda base: bytes(len(base)),
}


def _file(make: Callable[[bytes], bytes]) -> Forge:
    def forge(f: Forger) -> bytes:
        data = make(f.update)
        assert len(data) == len(f.update), "the fault must not show in the size"
        assert not data.startswith(weights.header(f.update)), "the fault must show in the header"
        return f.receipt(data)

    return forge


OTHER_FILES: dict[str, Forge] = {how: _file(make) for how, make in FILES.items()}
