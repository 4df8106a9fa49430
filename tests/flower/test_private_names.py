"""Flower's private names, used in aggregator/flower.py alone: this fails when Flower changes them."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.supercore.run import Run
from packaging.requirements import Requirement
from packaging.version import Version

import aggregator
from aggregator import flower

PACKAGES = Path(aggregator.__file__).parents[1]


def test_the_installed_flower_is_one_that_these_names_were_tested_with():
    needed = [Requirement(text) for text in metadata.requires("fedledger") or ()]
    bound = next(requirement.specifier for requirement in needed if requirement.name == "flwr")
    installed = Version(metadata.version("flwr"))
    assert installed in bound
    assert Version(f"{installed.major}.{installed.minor + 1}") not in bound


def test_a_message_can_be_made_once_an_identity_is_adopted():
    flower.adopt_identity(5)
    message = Message(RecordDict(), dst_node_id=7, message_type="train")
    assert (message.metadata.run_id, message.metadata.src_node_id) == (5, flower.SERVER_NODE)


def test_a_reply_refers_to_the_stamp_of_its_message():
    flower.adopt_identity(5)
    message = Message(RecordDict(), dst_node_id=7, message_type="train")
    flower.stamp(message, "42")
    reply = Message(Error(1, "no"), reply_to=message)
    assert reply.metadata.reply_to_message_id == "42"
    assert reply.metadata.src_node_id == 7


def test_a_reply_can_be_made_outside_a_run():
    content = RecordDict({"config": ConfigRecord({"a": 1})})
    reply = flower.as_reply(content, 3)
    assert reply.content is content
    assert not reply.has_error()
    assert reply.metadata.src_node_id == 3


def test_an_empty_run_has_its_number():
    run = flower.empty_run(9)
    assert isinstance(run, Run)
    assert run.run_id == 9


def test_numbers_are_flowers_own():
    assert flower.SERVER_NODE == SUPERLINK_NODE_ID
    assert flower.APP_RAISED == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert flower.APP_CRASHED == ErrorCode.CLIENT_APP_CRASHED


@pytest.mark.parametrize("package", ["aggregator", "clients", "experiments", "fl"])
def test_nobody_else_uses_a_private_name(package):
    private = re.compile(r"flwr\.(common|supercore|server\b|client\b|compat)|__dict__\[\"_|TaskIdentity")
    for file in (PACKAGES / package).rglob("*.py"):
        if file.name != "flower.py":
            assert not private.search(file.read_text("utf-8")), file
