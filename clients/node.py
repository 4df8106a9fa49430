"""Opens the site that a Flower node's configuration describes: chain, store, key and outbox of one member.

| key | says |
| --- | --- |
| `site` | a TOML file with the keys below; what the node's configuration says itself wins over the file |
| `chain`, `contract`, `task`, `store` | where the task lives, as in `fl.wiring` |
| `key` | file with the member's private key |
| `outbox` | folder for receipts that wait; the member's own |
| `data` | file or folder with the member's own rows, for the data commitment (and for the app); left out: \
the commitment is to nothing but the site's salt, and binds to no rows |
| `code` | modules or packages that are the code which trains, separated by commas: installed ones, or \
those of the app that is running |
| `model` | the function that builds the model, as `module:function`, where the terms' model is somebody's \
own |
| `confirmations` | how many a transaction needs, as in `fl.wiring`; left out: 4, on an embedded chain 0 |
| `submit` | false: submit only when asked to (`fl.messages.DELIVER`); default true |
| `linger` | for how many seconds the app stays after it has submitted, in case the round is sealed \
meanwhile and it can publish at once; default 10 over RPC, 0 on an embedded chain's file |
| `evaluate` | false: answer no message that only evaluates; default true |
| `seed` | hexadecimal; keys and salt follow from it, for runs that must repeat: in experiments only |

Relative paths in the file are seen from its folder.
"""

from __future__ import annotations

import difflib
import hmac
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from eth_account.signers.local import LocalAccount

from clients.commitment import commitment
from clients.kept import Kept
from clients.outbox import Outbox
from clients.site import Keys, Site, fresh_key
from fl.code import installed_code
from fl.errors import UsageError
from fl.ledger.accounts import read_key
from fl.ledger.port import Ledger
from fl.store.port import BlobStore
from fl.wiring import Deployment, address, inside, is_remote, open_chain, open_ledger, open_store

Value = bool | float | int | str
Config = Mapping[str, Value]

SITE = "site"
_KINDS: dict[str, type] = {
    **dict.fromkeys(("chain", "contract", "store", "key", "outbox", "data", "code", "model", "seed"), str),
    **dict.fromkeys(("task", "confirmations", "linger"), int),
    **dict.fromkeys(("submit", "evaluate"), bool),
}
_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}
_PATHS = ("chain", "store", "key", "outbox", "data")
_NEEDED = ("chain", "contract", "store", "key", "outbox", "code")


def complete(config: Config) -> Config:
    """A node's configuration, and what its `site` file says beside it.

    Raises UsageError for a file that is none, a key in it that nobody knows, and a value of another kind
    than its key's.
    """
    whole = {**_file(Path(text(config, SITE))), **config} if SITE in config else config
    for name, kind in _KINDS.items():
        if name in whole and type(whole[name]) is not kind:
            raise UsageError(f"{_source(config)}, {name!r}: {whole[name]!r:.80} is not {_WORDS[kind]}.")
    return whole


def open_site(config: Config, kind: type[Site] = Site) -> Site:
    """Open a node's site. Raises UsageError for what its configuration lacks or cannot mean."""
    config = complete(config)
    place, kept = deployment(config), outbox(config)
    return kind(
        ledger(config, account(config), confirmations(config)),
        store(config),
        place.task,
        kept,
        code=_code(config),
        data=_data(config, kept),
        keys=_keys(config),
        kept=Kept(Path(text(config, "outbox")) / "weights") if is_remote(text(config, "store")) else None,
    )


# --- parts of a complete configuration


def deployment(config: Config) -> Deployment:
    """Where the site's task lives."""
    chain, task, blobs = text(config, "chain"), _task(config), text(config, "store")
    with _about(config, "contract"):
        return Deployment(chain, address(text(config, "contract")), task, blobs)


def account(config: Config) -> LocalAccount:
    """The member's account."""
    with _about(config, "key"):
        return read_key(Path(text(config, "key")))


def ledger(config: Config, sender: LocalAccount | None = None, needed: int | None = None) -> Ledger:
    """The task's contract, in the name of `sender` if there is one; `needed`: how many confirmations."""
    place = deployment(config)
    with _about(config, "chain"):
        open_chain(place.chain)  # opened once: what is refused here is about the chain
    with _about(config, "contract"):
        return open_ledger(place, sender, needed)


def store(config: Config) -> BlobStore:
    """The task's store."""
    with _about(config, "store"):
        return open_store(text(config, "store"))


def outbox(config: Config) -> Outbox:
    """The site's outbox; its folder is made if it is missing."""
    with _about(config, "outbox"):
        return Outbox(Path(text(config, "outbox")))


def confirmations(config: Config) -> int | None:
    """How many a transaction needs; None where nobody said."""
    value = config.get("confirmations")
    if isinstance(value, int) and value < 0:
        raise UsageError(f"{_source(config)}, 'confirmations': {value} is not 0 or more.")
    return cast("int | None", value)


def linger(config: Config) -> float:
    """For how many seconds a site waits for the seal before it answers that it has submitted."""
    return float(config.get("linger", 10 if "://" in str(config.get("chain")) else 0))


def _code(config: Config) -> bytes:
    names = (name.strip() for name in text(config, "code").split(","))
    with _about(config, "code"):
        return installed_code(*names)


def _data(config: Config, kept: Outbox) -> Callable[[], bytes]:
    """What commits to the rows, to be called when it is needed: to read many takes long."""
    rows = Path(text(config, "data")) if "data" in config else None
    salt = _salt(config, kept)
    with _about(config, "data"):
        if rows and not rows.exists():
            raise UsageError(f"There is nothing at {rows}.")

    def commit() -> bytes:
        with _about(config, "data"):
            return commitment(rows, salt)

    return commit


def text(config: Config, name: str) -> str:
    """A text from a node's configuration. Raises UsageError when there is none."""
    value = config.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"{_source(config)} has no text {name!r}.", f"It needs: {', '.join(_NEEDED)} and task."
        )
    return value


def _task(config: Config) -> int:
    value = config.get("task")
    if type(value) is not int or value < 1:
        raise UsageError(f"{_source(config)} has no number 'task', from 1.")
    return value


# --- the file


def _file(path: Path) -> dict[str, Value]:
    """A site's file, with its paths seen from the file's folder."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The site's file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # no TOML, no UTF-8
        raise UsageError(f"The site's file {path} is no TOML: {error}.") from error
    for name in said:
        _demand_known(name, path)
    seen = {name: inside(path.parent, said[name]) for name in _PATHS if isinstance(said.get(name), str)}
    return {**said, **seen}


def _demand_known(name: str, path: Path) -> None:
    if name not in _KINDS:
        close = difflib.get_close_matches(name, _KINDS, n=1)
        guess = f"Did you mean {close[0]!r}? " if close else ""
        raise UsageError(f"{path} has an unknown key {name!r}.", f"{guess}There are: {', '.join(_KINDS)}.")


def _source(config: Config) -> str:
    """Whose words these are, for errors."""
    return str(config.get(SITE, "The node's configuration"))


@contextmanager
def _about(config: Config, name: str) -> Iterator[None]:
    """Say of what is refused which key of which file it is about."""
    try:
        yield
    except UsageError as error:
        said = (
            error.message if repr(name) in error.message else f"{_source(config)}, {name!r}: {error.message}"
        )
        raise UsageError(said, error.hint) from error


# --- secrets


def derived(config: Config, label: str) -> bytes | None:
    """32 bytes for `label` by HMAC-SHA256 from the node's seed; None without a seed. Raises UsageError."""
    if "seed" not in config:
        return None
    try:
        seed = bytes.fromhex(text(config, "seed"))
    except ValueError as error:
        raise UsageError(f"{_source(config)}, 'seed': it is not hexadecimal.") from error
    return hmac.digest(seed, label.encode(), "sha256")


def _keys(config: Config) -> Keys:
    task = _task(config)
    return lambda round_: derived(config, f"key of {task}, {round_}") or fresh_key(round_)


def _salt(config: Config, kept: Outbox) -> bytes:
    return derived(config, "salt") or kept.salt()
