"""JSON-RPC from whoever: every answer is well formed, and no request finds a fault in the node."""

from __future__ import annotations

import json

from hostile import VALUES, json_mutations, mutations
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from profiles import effort

from fl.chain.methods import READS, TIME_CONTROLS, WRITES
from fl.chain.rpc import Rpc

METHODS = [*READS, *WRITES, *TIME_CONTROLS]
ADDRESS, WORD = "0x" + "11" * 20, "0x" + "22" * 32
CALL = {"from": ADDRESS, "to": ADDRESS, "value": "0x0", "data": "0x", "gas": "0x10000", "accessList": []}
FILTER = {"address": [ADDRESS], "topics": [[WORD], None], "fromBlock": "0x0", "toBlock": "latest"}
REQUESTS = [
    json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    for method, params in {
        "eth_call": [CALL, "latest"],
        "eth_estimateGas": [CALL, {"blockNumber": "0x0"}],
        "eth_getLogs": [FILTER],
        "eth_feeHistory": ["0x2", "latest", [25, 75]],
        "eth_getStorageAt": [ADDRESS, "0x0", "latest"],
        "eth_getBlockByNumber": ["latest", True],
        "eth_sendRawTransaction": ["0x02" + "c0" * 20],
        "evm_setNextBlockTimestamp": ["0x1"],
        "evm_mine": [],
    }.items()
]
odd_values = (
    VALUES
    | st.sampled_from([ADDRESS, WORD, "latest", "pending", "0x0", "0x", "0x" + "f" * 64, "0x" + "f" * 65])
    | st.sampled_from([CALL, FILTER, {"blockHash": WORD}, {"blockNumber": "0x0"}])
)
calls = st.fixed_dictionaries(
    {"method": st.sampled_from(METHODS), "params": st.lists(odd_values, max_size=4)},
    optional={"id": VALUES, "jsonrpc": VALUES},
)
bodies = (
    mutations(*REQUESTS)
    | json_mutations(*REQUESTS).map(lambda value: json.dumps(value).encode())
    | calls.map(lambda value: json.dumps(value).encode())
    | st.lists(calls | VALUES, max_size=3).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
)


@effort(400, 2_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies)
def test_every_request_gets_a_well_formed_answer_and_finds_no_fault_of_the_node(node, body):
    answered = Rpc(node).answer_json(body)
    if not answered:
        return
    found = json.loads(answered)
    for one in found if isinstance(found, list) else [found]:
        assert one["jsonrpc"] == "2.0"
        assert one.keys() - {"jsonrpc", "id"} in ({"result"}, {"error"})
        if "error" in one:
            assert isinstance(one["error"]["message"], str)
            assert not one["error"]["message"].startswith("internal error")
