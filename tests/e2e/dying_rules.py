"""Play the same rounds by each rule twice: undisturbed, and in processes of which each dies by SIGKILL.

Usage: dying_rules.py FOLDER NAME…, with tests/support on the path. Leaves the stages FOLDER/NAME/whole and
FOLDER/NAME/killed; prints JSON: the contract, and by name how the processes ended.
"""

import gc
import json
import logging
import sys
from pathlib import Path

from deadly import forked, make_deadly
from flwr.clientapp import ClientApp
from stage import BASE, NAMES, Stage
from strategies import FLOATS_ONLY, make

from aggregator import rules
from aggregator.strategy import OnChain
from clients.mod import site_mod
from experiments.grid import InProcessGrid

ROUNDS = 2
LEDGER = "fl.ledger.contract"
MOMENTS = (
    (LEDGER, "Web3Ledger.submit_update", "after", 4),  # the first round has left a memory, the second is open
    (LEDGER, "Web3Ledger.close_round", "before", 1),  # the second is decided and stored, not closed
)


def begin(folder: Path, name: str) -> int:
    """Copy the federation that everybody starts from, and give it a task with this rule."""
    folder.mkdir()
    stage = Stage(folder.parent / "fresh", contract, NAMES).copied_to(folder / "whole")
    base = {key: array for key, array in BASE.items() if array.dtype.kind == "f" or name not in FLOATS_ONLY}
    proximal = {"proximal-mu": "float:0.1"} if name == "FedProx" else {}
    stage.begin(base, rule=rules.describe(make(name)).model_dump(), training=proximal)
    stage.node.close()
    stage = stage.copied_to(folder / "killed")
    stage.node.close()
    return 0


def play(folder: Path, name: str) -> int:
    """Play the rounds that are left."""
    stage = Stage(folder, contract, NAMES)
    stage.task = 2
    app = ClientApp(mods=[site_mod(lambda context: stage.site(str(context.node_config["name"])))])
    app.train()(stage._train)
    grid = InProcessGrid(app, [{"name": site} for site in NAMES])
    OnChain(make(name), stage._rounds(None)).start(grid, num_rounds=ROUNDS)
    return 0


def dying(folder: Path, name: str, moment: tuple) -> int:
    """Play on, until the moment comes."""
    make_deadly(*moment)
    return play(folder, name)


def ends(folder: Path, name: str) -> list[int]:
    """Exit codes, or minus the signals that ended the processes."""
    codes = [forked(lambda: begin(folder, name)), forked(lambda: play(folder / "whole", name))]
    codes += [forked(lambda moment=moment: dying(folder / "killed", name, moment)) for moment in MOMENTS]
    return [*codes, forked(lambda: play(folder / "killed", name))]


logging.getLogger("flwr").setLevel(logging.ERROR)
gc.freeze()  # Flower has Python collect garbage for some rules: what is loaded by now is none
top, names = Path(sys.argv[1]), sys.argv[2:]
(top / "fresh").mkdir()
contract = Stage.build(top / "fresh", NAMES).contract
print(json.dumps({"contract": contract, "ends": {name: ends(top / name, name) for name in names}}))
