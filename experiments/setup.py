"""Bringing a run's federation to life: data divided, contract deployed, task created, everybody joined.

Everything follows from the configuration and its seed, so a set-up that was interrupted is simply done again.
The deployment's file is written last: a folder that has it is set up.
"""

from __future__ import annotations

from pathlib import Path

from experiments.config import RunConfig
from experiments.folder import PARTITION
from experiments.holdings import Holdings
from experiments.parts import Parts
from experiments.sites import Sites
from experiments.terms import write_terms
from fl.examples import encode_examples
from fl.files import write_atomically
from fl.wiring import Deployment

TEST = "test.safetensors"


def set_up(config: RunConfig, folder: Path, parts: Parts) -> Deployment:
    """Make the folder a run that is ready for its first round; what an earlier attempt left is cleared."""
    sites = Sites(config, folder)
    store = sites.federation.begin(made=[TEST, PARTITION])
    terms = write_terms(config, parts, store)
    place = sites.federation.found(terms, config.rounds, config.chain, store)
    for name, rows in zip(sites.names, parts.sites, strict=True):
        sites.write_rows(name, rows)
        sites.join(name, place)
    Holdings.of(sites.names, parts.data.classes, parts.sites).write(folder)
    write_atomically(folder / TEST, encode_examples(*parts.test))
    sites.federation.finish(place)
    return place
