"""The two files with which a task's aggregator and its sites begin."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import tomli_w

from fl.errors import UsageError
from fl.files import write_atomically
from fl.ledger.types import Address
from fl.wiring import Deployment, is_remote

AGGREGATOR, SITE = "aggregator.toml", "site.toml"


class Templates:
    """A folder for the two files, made if it is missing; files that are there already are never replaced.

    Raises UsageError for a folder that cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for file in (folder / AGGREGATOR, folder / SITE):
            if file.exists():
                raise UsageError(f"{file} exists already.", "Name another folder with --out.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder {folder} cannot be made: {error.strerror}.") from error

    def write(self, place: Deployment, aggregator: Address, code: str) -> tuple[Path, Path]:
        """Write both for a task; `code` is what sites have as `code`, empty if nobody said."""
        seen = _anywhere(place)
        files = self._folder / AGGREGATOR, self._folder / SITE
        write_atomically(files[0], _aggregator(seen, aggregator).encode())
        write_atomically(files[1], _site(seen, code).encode())
        return files


def _anywhere(place: Deployment) -> Deployment:
    """Paths that do not depend on where somebody stands."""
    chain, store = (
        one if is_remote(one) else str(Path(one).absolute()) for one in (place.chain, place.store)
    )
    return replace(place, chain=chain, store=store)


def _aggregator(place: Deployment, aggregator: Address) -> str:
    return f"""\
# The aggregator of task {place.task}. Relative paths are seen from this file's folder.
{_place(place)}
# The private key of {aggregator}.
key = "aggregator.key"
{_CONFIRMATIONS}"""


def _site(place: Deployment, code: str) -> str:
    return f"""\
# One site of task {place.task}: a copy at each institution, which fills in its own.
# Relative paths are seen from this file's folder.
{_place(place)}
# The member's own private key, which never leaves the institution: `fl key new site.key`.
key = "site.key"

# A folder of the site's own, for what is signed and not yet published.
outbox = "outbox"

# The package that trains, as it is imported; more than one with commas. The terms approve its digest.
{tomli_w.dumps({"code": code})}
# The site's rows, a file or a folder, for a commitment that nobody can read them from.
# data = "rows.csv"

# Whether the site answers when a model is only evaluated.
evaluate = true
{_CONFIRMATIONS}"""


def _place(place: Deployment) -> str:
    return f"""
# A chain's node; the federation; the task's number; an IPFS node's API. Name nodes of your own.
{tomli_w.dumps(asdict(place))}"""


_CONFIRMATIONS = """
# Blocks until a transaction counts. Left out: 4, on an embedded chain 0. A chain that makes a block only
# for a transaction (anvil without --block-time, geth --dev) never makes the other three: set 1 there.
# confirmations = 4
"""
