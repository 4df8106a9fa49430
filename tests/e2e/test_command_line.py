"""`fl` as a new user types it, on real runs: what works, what is refused, and what is left behind."""

import json
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import commands
import pytest

from experiments.results import Results
from fl.cli import main
from fl.wiring import Deployment

FL = str(Path(sys.executable).with_name("fl"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(number: int = 120) -> Iterator[str]:
    """Patients whose diagnosis depends on a number, a text and a boolean."""
    chance = random.Random(1)
    for _ in range(number):
        size, colour, smokes = chance.gauss(0, 1), chance.choice(["red", "brown"]), chance.random() < 0.5
        ill = size + (colour == "red") - smokes > 0
        yield f"{size:.3f},{colour},{str(smokes).lower()},{'ill' if ill else 'well'}\n"


def csv(number: int = 120) -> str:
    return "size,colour,smokes,state\n" + "".join(rows(number))


# --- fl run on somebody's own data


@pytest.mark.slow
def test_a_csv_file_with_texts_and_booleans_is_trained_on_and_its_categories_stand_in_the_terms(
    here, fl, verify
):
    (here / "patients.csv").write_text(csv())
    words = ("--data", "patients.csv", "--label", "state", "--rounds", "2", "--trainers", "2", "--json")
    code, out = fl("run", *words)
    assert code == 0
    said = json.loads(out)
    assert said["final"]["log_loss"] < said["initial"]["log_loss"]
    folder = here / "runs/patients-1"
    assert Results.read(folder).to_dict() == said
    assert verify(folder).code == 0
    terms = next(one for one in blobs(folder) if one.get("type") == "terms")
    assert terms["data"]["classes"] == ["ill", "well"]
    assert "brown" in json.dumps(terms["data"])


def blobs(folder: Path) -> Iterator[dict]:
    for path in (folder / "store/blocks").rglob("*"):
        if path.is_file() and path.read_bytes()[:1] == b"{":
            yield json.loads(path.read_bytes())


HEADER, *LINES = csv().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        (HEADER + "".join(LINES[:5]) + "1.0,,true,ill\n", (), "missing values, in row 6; by column: colour"),
        (csv(), ("--label", "stat"), "There is no column 'stat'."),
        (HEADER + "1.0,red,true,ill\n" * 50, (), "holds one class only: 'ill'"),
        (HEADER + "".join(LINES[:8]), (), "trainers cannot divide"),
        (csv(), ("--set", "data.partition=dirichlet", "--set", "data.alpha=0.001"), "without rows"),
        (HEADER, (), "no rows"),
        ("", (), "is empty"),
        ("a,b\n1,2\n3,4,5\n", (), "is not a CSV file"),
    ],
    ids=["missing values", "column", "one class", "few rows", "empty site", "header", "empty", "ragged"],
)
def test_data_that_cannot_be_used_gets_a_sentence_and_leaves_nothing_behind(
    here, capsys, content, words, sentence
):
    (here / "patients.csv").write_text(content)
    assert main(["run", "--data", "patients.csv", "--label", "state", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert sentence in captured.err
    assert [path.name for path in here.iterdir()] == ["patients.csv"]


# --- what the commands say of a run


@pytest.mark.parametrize("command", ["verify", "rounds", "rewards"])
def test_json_is_all_that_is_on_stdout(honest, fl, command):
    code, out = fl(command, honest.folder, "--json")
    assert code == 0
    assert json.loads(out)


def test_rounds_and_rewards_say_what_the_run_said(honest, fl):
    rounds = json.loads(fl("rounds", honest.folder, "--json")[1])["rounds"]
    assert [one["gas"] for one in rounds] == [sum(vars(one.gas).values()) for one in honest.results.rounds]
    accounts = json.loads(fl("rewards", honest.folder, "--json")[1])["accounts"]
    assert {one["name"]: (str(one["earned"]), one["reputation"]) for one in accounts} == {
        one.name: (one.earned, one.reputation) for one in honest.results.contributors
    }


WRONG_PLACES = {
    "no run": (".",),
    "no folder": ("nowhere",),
    "nothing": (),
    "task": ("{run}", "--task", "7"),
    "task zero": ("{run}", "--task", "0"),
    "contract": ("{run}", "--contract", "0x" + "01" * 20),
    "address": ("{run}", "--contract", "zebra"),
    "store": ("{run}", "--store", "nowhere"),
}


@pytest.mark.parametrize("command", ["verify", "rounds", "rewards"])
@pytest.mark.parametrize("words", WRONG_PLACES.values(), ids=WRONG_PLACES)
def test_a_place_where_no_task_is_gets_a_sentence_and_exit_code_2(honest, here, capsys, command, words):
    assert main([command, *(word.format(run=honest.folder) for word in words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    assert list(here.iterdir()) == []


# --- withdrawing


def test_withdrawing_pays_the_payees_and_the_run_still_verifies(honest, fl, verify, capsys, tmp_path):
    run = honest.copied_to(tmp_path / "run")
    ledger = run.record.ledger
    earned = {one.name: int(one.earned) for one in honest.results.contributors}

    code, out = fl("rewards", "withdraw", run.folder, "--member", "hospital-2", "--json")
    assert code == 0
    (paid,) = json.loads(out)
    assert (paid["name"], paid["amount"]) == ("hospital-2", earned["hospital-2"])
    assert ledger.token_balance(paid["payee"]) == earned["hospital-2"]

    assert fl("rewards", "withdraw", run.folder)[0] == 0
    accounts = json.loads(fl("rewards", run.folder, "--json")[1])["accounts"]
    assert {one["name"]: (one["withdrawn"], one["balance"]) for one in accounts} == {
        name: (amount, 0) for name, amount in earned.items()
    }
    assert verify(run.folder).code == 0
    assert fl("run", "--resume", run.folder)[0] == 0

    capsys.readouterr()
    assert main(["rewards", "withdraw", str(run.folder)]) == 2
    assert main(["rewards", "withdraw", str(run.folder), "--member", "nobody"]) == 2
    assert "There is no member 'nobody'." in capsys.readouterr().err


# --- from elsewhere


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The address at which `fl chain serve` serves a chain file."""
    command = [FL, "chain", "serve", file, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+?(?=,)", process.stdout.readline())[0]
        finally:
            process.terminate()


@pytest.mark.slow
def test_an_auditor_with_an_endpoint_an_address_and_a_store_finds_the_same(honest, fl, verify, here):
    place = Deployment.read(honest.folder)
    where = ("--contract", place.contract, "--task", place.task, "--store", place.store)
    own = verify(honest.folder).said
    with served(Path(place.chain)) as url:
        found = verify("--rpc", url, *where)
        assert found.code == 0
        assert fl("rounds", "--rpc", url, *where)[0] == fl("rewards", "--rpc", url, *where)[0] == 0
    assert found.said["findings"] == own["findings"]
    assert verify("--rpc", place.chain, *where).said["findings"] == own["findings"]
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_the_commands_that_a_run_names_next_work_as_they_are_printed(here):
    words = ["run", "--rounds", "1", "--trainers", "2", "--out", "my first run"]
    run = commands.run(*words, cwd=here)
    printed = re.findall(r"^fl (.*'my first run')  \S", run.stdout, re.MULTILINE)
    assert [command.split()[0] for command in printed] == ["verify", "rewards", "rounds"]
    for command in printed:
        assert commands.run(*shlex.split(command), cwd=here).returncode == 0
    assert [path.name for path in here.iterdir()] == ["my first run"]
