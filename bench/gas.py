"""Gas of the calls that every round makes, as Foundry measures it: each call a transaction of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from figures import Figure

CONTRACTS = Path(__file__).parents[1] / "contracts"
SIZES = (10, 50, 512)


def figures() -> Iterator[Figure]:
    """Runs the gas tests and reads what they leave behind; targets as in docs/protocol.md, section 9."""
    snapshot = CONTRACTS / "snapshots" / "GasTest.json"
    snapshot.unlink(missing_ok=True)
    command = [CONTRACTS / "node_modules" / ".bin" / "forge", "test", "--match-contract", "GasTest"]
    done = subprocess.run(command, cwd=CONTRACTS, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if not snapshot.exists():
        raise RuntimeError(f"forge measured nothing:\n{done.stdout}{done.stderr}")
    used = {name: int(gas) for name, gas in json.loads(snapshot.read_text(encoding="utf-8")).items()}
    for call, bounds in _bounds().items():
        for size, bound in zip(SIZES, bounds, strict=True):
            yield Figure(
                f"gas: {call}, {size} trainers", used[f"{call}, {size} trainers"], "gas", bound=bound
            )


def _bounds() -> dict[str, tuple[int, ...]]:
    flat = {
        "openRound": 50_000,
        "submitUpdate": 43_500,
        "submitUpdate, sealing": 45_500,
        "submitUpdateFor": 50_000,
    }
    return {
        **{call: (bound,) * len(SIZES) for call, bound in flat.items()},
        "closeRound": tuple(max(70_000 + 1_800 * n, 21_000 + 2_440 * n) for n in SIZES),
        "settleRound": tuple(35_000 + 7_000 * n for n in SIZES),
    }
