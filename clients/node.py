"""Opens the site that a Flower node's configuration describes: chain, store, key and outbox of one member.

| key | says |
| --- | --- |
| `chain`, `contract`, `task`, `store` | where the task lives, as in `fl.wiring` |
| `key` | file with the member's private key |
| `outbox` | folder for receipts that wait; the member's own |
| `data` | file with the member's own rows, for the data commitment (and for the app) |
| `code` | installed modules that are the code which trains, separated by commas |
| `confirmations` | how many a transaction needs, as in `fl.wiring`; left out: 4, on an embedded chain 0 |
| `submit` | false: submit only when asked to (`fl.messages.DELIVER`); default true |
| `seed` | hexadecimal; keys and salt follow from it, for runs that must repeat: in experiments only |
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from clients.data import commitment
from clients.outbox import Outbox
from clients.site import Keys, Site, fresh_key
from fl.code import installed_code
from fl.errors import UsageError
from fl.ledger.accounts import read_key
from fl.ledger.types import Address
from fl.wiring import Deployment, open_ledger, open_store

Config = Mapping[str, bool | float | int | str]


def open_site(config: Config, kind: type[Site] = Site) -> Site:
    """Open a node's site. Raises UsageError for what its configuration lacks or cannot mean."""
    place = Deployment(
        text(config, "chain"), Address(text(config, "contract")), _task(config), text(config, "store")
    )
    outbox = Outbox(Path(text(config, "outbox")))
    return kind(
        open_ledger(place, read_key(Path(text(config, "key"))), _confirmations(config)),
        open_store(place.store),
        place.task,
        outbox,
        code=installed_code(*text(config, "code").split(",")),
        data=commitment(Path(text(config, "data")), _salt(config, outbox)),
        keys=_keys(config),
    )


def text(config: Config, name: str) -> str:
    """A text from a node's configuration. Raises UsageError when there is none."""
    value = config.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"The node's configuration has no text {name!r}.", f"It needs: {', '.join(_TEXTS)} and task."
        )
    return value


_TEXTS = ("chain", "contract", "store", "key", "outbox", "data", "code")


def _task(config: Config) -> int:
    value = config.get("task")
    if type(value) is not int or value < 1:
        raise UsageError("The node's configuration has no number 'task'.")
    return value


def _confirmations(config: Config) -> int | None:
    value = config.get("confirmations")
    if value is not None and type(value) is not int:
        raise UsageError("'confirmations' in the node's configuration is no whole number.")
    return value


def derived(config: Config, label: str) -> bytes | None:
    """32 bytes for `label` by HMAC-SHA256 from the node's seed; None without a seed. Raises UsageError."""
    if "seed" not in config:
        return None
    try:
        seed = bytes.fromhex(text(config, "seed"))
    except ValueError as error:
        raise UsageError("The node's seed is not hexadecimal.") from error
    return hmac.digest(seed, label.encode(), "sha256")


def _keys(config: Config) -> Keys:
    task = _task(config)
    return lambda round_: derived(config, f"key of {task}, {round_}") or fresh_key(round_)


def _salt(config: Config, outbox: Outbox) -> bytes:
    return derived(config, "salt") or outbox.salt()
