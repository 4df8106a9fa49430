"""Every refusal of the contract comes with a sentence."""

import re
from pathlib import Path

from fl.errors import Refused
from fl.refusals import MEANINGS

INTERFACE = Path(__file__).parents[2] / "contracts/src/interfaces/IFederation.sol"


def test_each_custom_error_means_what_the_interface_says():
    said = re.findall(r"/// @notice (.+)\n\s+error (\w+)\(", INTERFACE.read_text())
    assert len(said) > 30
    assert {name: MEANINGS.get(name) for _, name in said} == {name: text for text, name in said}


def test_a_refusal_has_its_meaning_as_its_hint_and_an_unknown_one_has_none():
    assert Refused("NotAdmitted", call="joinTask").hint == "The key is not a member."
    assert Refused("SomethingNew").hint == ""
