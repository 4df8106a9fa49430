"""`fl task`: created from a file with terms, funded, and read by people."""

import json
import shutil
import tomllib

import pytest

from aggregator.connecting import connect
from fl.documents import Reference
from fl.ledger.types import Address
from fl.money import units
from fl.store.layout import cid_of
from fl.wiring import Deployment, open_ledger

ELSEWHERE = Reference.of(cid_of(b"elsewhere"), b"elsewhere").model_dump()


def task_of(desk, number):
    return open_ledger(Deployment(desk.rpc, Address(desk.contract), number, "")).task(number)


def create(desk, file, *words):
    return ("task", "create", file, *desk.owned, "--aggregator", desk.address("aggregator"), *words)


# --- creating


def test_a_task_has_the_numbers_of_its_terms(office):
    made = office.create(quorum=3, window=77, settle_delay=5)
    task = task_of(office, made["task"])
    assert made["terms"] == task.terms.hex() == office.terms.id.hex()
    assert task.weights.hex() == office.terms.weights.sha256
    assert (task.quorum, task.window, task.close_window, task.settle_delay) == (3, 77, 400, 5)
    assert (task.reward, task.pool) == (units("100"), 0)
    assert (task.aggregator, task.sponsor) == (office.address("aggregator"), office.address("owner"))


def test_another_sponsor_may_be_named(office):
    made = office.create("--sponsor", office.address("ada"))
    assert task_of(office, made["task"]).sponsor == office.address("ada")


def test_terms_that_somebody_edited_are_written_in_their_canonical_spelling(office):
    file = office.write_terms()
    edited = json.loads(file.read_bytes()) | {"purpose": "Agree on more."}
    file.write_text(json.dumps(edited, indent=4) + "\n")
    task = office.done(*create(office, file))["task"]
    assert office.done("task", "show", *office.place, "--task", task) == edited


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is no JSON"),
        ("\xff", "is no JSON"),
        ("[" * 100, "nested deeper"),
        ("[]", "holds no terms"),
        ('{"type": "terms"}', "holds no terms"),
        ('{"purpose": NaN}', "holds no terms"),
    ],
)
def test_what_is_no_terms_is_refused(office, content, sentence):
    file = office.folder / "terms.json"
    file.write_bytes(content.encode("latin-1"))
    assert sentence in office.refused(*create(office, file))
    assert "cannot be read" in office.refused(*create(office, "nothing.json"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": ELSEWHERE}, "The initial weights would have 9 bytes"),
        ({"rule": {"name": "FedAvgg", "arguments": {}}}, "FedAvgg"),
        ({"guard": "best"}, "the terms score or guard by utilities and give no model"),
        (
            {
                "scoring": {
                    "rule": "equal",
                    "utility": "auc",
                    "budget": 1,
                    "validation": ELSEWHERE,
                }
            },
            "The validation set of these terms cannot be had",
        ),
    ],
    ids=["weights", "rule", "scoring", "validation"],
)
def test_terms_by_which_nobody_could_train_are_refused(office, changes, sentence):
    file = office.write_terms(**changes)
    assert sentence.lower() in office.refused(*create(office, file)).lower()
    assert office.done("federation", "show", *office.place)["tasks"] == 0


def test_the_weights_have_to_be_in_the_store(office):
    file = office.write_terms()
    assert office.fl("store", "new", "other").code == 0
    said = office.refused(*create(office, file), "--store", "other")
    assert "The initial weights of these terms cannot be had" in said
    assert "Name the store that the terms were drafted with." in said


def test_only_the_owner_creates_tasks(office):
    file = office.write_terms()
    assert "belongs to" in office.refused(*create(office, file), "--key", office.key("ada"))


# --- money


def test_a_task_is_funded_with_tokens_that_the_owner_has(office):
    file = office.write_terms()
    said = office.refused(*create(office, file, "--fund", "300"))
    assert "has 0 tokens, and is to pay 300" in said
    assert "fl federation mint 300" in said
    assert office.done("federation", "show", *office.place)["tasks"] == 0
    office.done("federation", "mint", "300", *office.at, "--key", office.key("owner"))
    said = office.fl(*create(office, file, "--fund", "300"))
    assert said.out.splitlines()[-1] == "pool   300 tokens: enough for 3 rounds of 100"
    assert task_of(office, 1).pool == units("300")


def test_anybody_with_tokens_funds_a_task_later(office):
    task = office.create()["task"]
    pays = ("task", "fund", "2.5", *office.at, "--task", task, "--key", office.key("ada"))
    assert "has to get 2.5 more of the token" in office.refused(*pays)
    office.done(
        "federation", "mint", "3", *office.at, "--key", office.key("owner"), "--to", office.address("ada")
    )
    assert office.done(*pays)["pool"] == task_of(office, task).pool == units("2.5")
    assert "There is no task 7." in office.refused(*pays, "--task", 7)


# --- what is handed out


def test_the_files_for_aggregator_and_sites_say_where_the_task_is(office):
    task = office.create("--out", "handout", "--code", "my_app")["task"]
    site, aggregator = (
        tomllib.loads((office.folder / "handout" / name).read_text())
        for name in ("site.toml", "aggregator.toml")
    )
    place = {"chain": office.rpc, "contract": office.contract, "task": task, "store": office.store}
    assert aggregator == {**place, "key": "aggregator.key"}
    assert site == {**place, "key": "site.key", "outbox": "outbox", "code": "my_app", "evaluate": True}


def test_an_aggregator_opens_its_task_with_the_file(office):
    office.create("--out", "handout")
    shutil.copy(office.key("aggregator"), office.folder / "handout")
    rounds = connect({"aggregator": str(office.folder / "handout" / "aggregator.toml")})
    assert rounds.terms() == office.terms


def test_files_that_are_there_are_not_replaced_and_no_task_is_created(office):
    office.create("--out", "handout")
    file = office.folder / "handout" / "site.toml"
    file.write_text("mine")
    (office.folder / "handout" / "aggregator.toml").unlink()
    assert "handout/site.toml exists already" in office.refused(
        *create(office, office.folder / "terms.json", "--out", "handout")
    )
    assert file.read_text() == "mine"
    assert office.done("federation", "show", *office.place)["tasks"] == 1


def test_a_folder_that_cannot_be_made_is_refused_before_the_task_is_created(office):
    (office.folder / "handout").write_text("a file")
    words = create(office, office.write_terms(), "--out", "handout/here")
    assert "handout/here cannot be made" in office.refused(*words)
    assert office.done("federation", "show", *office.place)["tasks"] == 0


# --- reading


def test_the_terms_of_a_task_and_of_a_file_are_shown_alike(office):
    task = office.create(purpose="Tell [red]tumours[/] apart.")["task"]
    of_task = office.fl("task", "show", *office.place, "--task", task)
    of_file = office.fl("task", "show", "terms.json")
    assert of_task.code == of_file.code == 0
    assert of_task.out == of_file.out
    assert "Tell [red]tumours[/] apart." in of_task.out
    assert "layer" in of_task.out
    assert office.done("task", "show", "terms.json") == office.terms.model_dump(mode="json")


def test_a_task_that_is_not_there_gets_a_sentence(office):
    office.create()
    assert "There is no task 2." in office.refused("task", "show", *office.place, "--task", 2)
    assert "Missing: --rpc, --contract, --task, --store" in office.refused("task", "show")
    assert "is not the folder of a run" in office.refused("task", "show", ".")
