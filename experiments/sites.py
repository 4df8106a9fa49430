"""The sites of a run: their names, accounts, folders, and the configuration that opens each of them."""

from __future__ import annotations

from pathlib import Path

from clients.node import open_site
from clients.site import policy_digest
from experiments.config import RunConfig
from experiments.federation import SITES, Federation
from experiments.misbehaviour import MISBEHAVIOUR
from experiments.terms import code_of
from fl.examples import Examples, decode_examples, encode_examples
from fl.files import write_atomically
from fl.ledger.types import Address
from fl.own import is_own
from fl.wiring import Deployment

_ROWS = "rows.safetensors"

NodeConfig = dict[str, bool | float | int | str]


class Sites:
    """Everything about a run's sites that follows from its configuration; numbers count from 1."""

    def __init__(self, config: RunConfig, folder: Path) -> None:
        digits = len(str(config.trainers))
        self.names = tuple(f"{config.site}-{n:0{digits}}" for n in range(1, config.trainers + 1))
        self.federation = Federation(folder, config.seed, self.names)
        self._model, self._code = config.model.name, code_of(config)
        self.misbehaviours = {
            self.names[number - 1]: misbehaviour for number, misbehaviour in config.misbehaving.items()
        }

    def address(self, name: str) -> Address:
        """The member's address."""
        return self.federation.address(name)

    def write_rows(self, name: str, rows: Examples) -> None:
        """Hand a site its own rows."""
        folder = self._folder(name)
        folder.mkdir(parents=True)
        write_atomically(folder / _ROWS, encode_examples(*rows))

    def rows(self, name: str) -> Examples:
        """A site's own rows, which only a baseline of an experiment may read."""
        return decode_examples((self._folder(name) / _ROWS).read_bytes())

    def _folder(self, name: str) -> Path:
        return self.federation.folder / SITES / name

    def node_config(self, name: str, place: Deployment) -> NodeConfig:
        """What opens this site in any process; the grid has it submit in its turn, so `submit` is off."""
        folder = self._folder(name)
        misbehaviour = self.misbehaviours.get(name)
        return {
            "chain": place.chain,
            "contract": place.contract,
            "task": place.task,
            "store": place.store,
            "key": str(self.federation.key(name)),
            "outbox": str(folder / "outbox"),
            "data": str(folder / _ROWS),
            "code": self._code,
            "submit": False,
            "seed": self.federation.secrets.draw("site", name).hex(),
            **({"model": self._model} if is_own(self._model) else {}),
            **({MISBEHAVIOUR: misbehaviour.model_dump_json()} if misbehaviour else {}),
        }

    def join(self, name: str, place: Deployment) -> None:
        """Have a site read the terms, check them against the chain, and join the task."""
        site = open_site(self.node_config(name, place))
        policy = policy_digest(b"any task of this run", self.federation.secrets.draw("policy", name))
        site.join(site.terms, policy)
