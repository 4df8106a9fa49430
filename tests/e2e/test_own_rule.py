"""A rule of somebody's own: it works at its aggregator, and is replayed by whoever names it."""

from __future__ import annotations

import importlib
import sys
from textwrap import dedent

import pytest
from flwr.clientapp import ClientApp
from stage import BASE, NAMES, Stage

from aggregator import flower, rules
from aggregator.rounds import Rounds
from aggregator.strategy import OnChain
from clients.mod import site_mod
from experiments.grid import InProcessGrid

pytestmark = pytest.mark.slow

MODULE = "rule_of_their_own"
CODE = """
    from flwr.app import Array
    from flwr.serverapp.strategy import FedAvgM

    class Halving(FedAvgM):
        '''Moves every tensor that has axes half as far.'''

        share = 0.5

        def aggregate_train(self, server_round, replies):
            record, metrics = super().aggregate_train(server_round, replies)
            for name, array in record.items():
                if array.shape:
                    record[name] = Array(array.numpy() * self.share)
            return record, metrics

    class Other(FedAvgM):
        pass

    class Lying(Halving):
        share = 0.51

    Lying.__qualname__ = "Halving"

    def make():
        return Halving(fraction_evaluate=0.0, min_available_nodes=3, server_momentum=0.9)

    def lie():
        return Lying(server_momentum=0.9)

    def broken():
        raise OSError("no disk")

    def needy(eta):
        return make()

    strategy = make()
    weaker = Halving(server_momentum=0.1)
    number = 7
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A folder with somebody's module, as one's own app has it."""
    folder = tmp_path_factory.mktemp("app")
    (folder / f"{MODULE}.py").write_text(dedent(CODE))
    (folder / "leaving.py").write_text("raise SystemExit(0)")
    (folder / "typing_error.py").write_text("import nowhere_at_all")
    return folder


@pytest.fixture(scope="module")
def words(app, tmp_path_factory):
    """Where two rounds by the module's rule can be verified, as words of a command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(app))
        own = importlib.import_module(MODULE).make()
        stage = _played(own, tmp_path_factory.mktemp("stage"))
        del sys.modules[MODULE]
    place = {
        "rpc": stage.folder / "chain.sqlite",
        "contract": stage.contract,
        "task": 2,
        "store": stage.folder / "store",
    }
    return [word for name, value in place.items() for word in (f"--{name}", value)]


def _played(own, folder):
    stage = Stage(folder, Stage.build(folder, NAMES).contract, NAMES)
    rule = rules.describe(own)
    stage.begin(BASE, rule=rule.model_dump())
    app = ClientApp(mods=[site_mod(lambda context: stage.site(str(context.node_config["name"])))])
    app.train()(stage._train)
    grid = InProcessGrid(app, [{"name": name} for name in NAMES])
    rounds = Rounds(
        stage.ledger("aggregator"), stage.store, stage.task, rules.build(rule, own), lambda *_: 0, stage._wait
    )
    with flower.quiet():
        OnChain(own, rounds).start(grid, num_rounds=2)
    stage.node.close()
    return stage


@pytest.fixture
def at_home(app, monkeypatch):
    """In the app's folder, with nothing of it imported yet."""
    monkeypatch.chdir(app)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop(MODULE, None)


def test_it_is_not_checked_unless_it_is_named_and_the_finding_says_how(words, verify, at_home):
    found = verify(*words)
    assert found.code == 0
    assert found.said["unchecked"] == {"aggregates": 2}
    (text,) = found.texts("not checked", 1)
    assert text.endswith(
        "rule_of_their_own:Halving is somebody's own, and is not at hand. "
        "To verify with it, pass --strategy module:attr."
    )
    assert found.texts("note", None) == []
    assert MODULE not in sys.modules


@pytest.mark.parametrize("attribute", ["strategy", "make"])
def test_it_is_replayed_with_its_memory_by_whoever_names_it(words, verify, at_home, attribute):
    found = verify(*words, "--strategy", f"{MODULE}:{attribute}")
    assert (found.code, found.said["unchecked"]) == (0, {})
    assert "aggregates" in found.said["checked"]
    assert "weights and state and metrics are compared within 1e-06" in found.texts("note", None)[0]


def test_another_rule_of_the_same_name_is_found_out(words, verify, at_home):
    found = verify(*words, "--strategy", f"{MODULE}:lie")
    assert (found.code, found.wrong_rounds) == (1, {1, 2})
    assert {text.partition(":")[0] for text in found.texts("mismatch", 1)} == {"weights", "state"}


WRONG = {
    "no colon": ("rule_of_their_own", "does not name a strategy"),
    "no module": ("nowhere_at_all:x", "nowhere_at_all cannot be imported: ModuleNotFoundError"),
    "no attribute": (f"{MODULE}:x", "There is no rule_of_their_own:x"),
    "no strategy": (f"{MODULE}:number", "is no strategy, but int"),
    "one that fails": (f"{MODULE}:broken", "cannot be called without arguments: OSError: no disk"),
    "one that needs more": (f"{MODULE}:needy", "cannot be called without arguments: TypeError"),
    "a module that fails": (
        "typing_error:x",
        "ModuleNotFoundError: No module named 'nowhere_at_all' (typing_error.py:1)",
    ),
    "a module that leaves": ("leaving:x", "leaving cannot be imported: SystemExit"),
    "another class": (f"{MODULE}:Other", "and the strategy is rule_of_their_own:Other("),
    "other arguments": (f"{MODULE}:weaker", "server_momentum='float:0.1'"),
    "none of one's own": ("flwr.serverapp.strategy:FedAvg", "and the strategy is FedAvg()"),
    "trees": ("flwr.serverapp.strategy:FedXgbBagging", "terms fix every tensor's shape"),
}


@pytest.mark.parametrize(("name", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_whatever_else_is_named_is_wrong_usage_with_a_sentence(words, fl, at_home, capsys, name, sentence):
    code, out = fl("verify", *words, "--strategy", name)
    assert (code, out) == (2, "")
    said = " ".join(capsys.readouterr().err.split())
    assert sentence in said
    assert "Traceback" not in said
