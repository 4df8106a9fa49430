"""Measures what there are targets for, prints it, and keeps it in bench/results.json.

    python bench/run.py [--long] [--only PART]... [--json]

`--long` measures what takes longer than a coffee, and keeps it in bench/long.json. Ends with 1 when a target
is missed. Whatever else runs on the machine makes it slower than it is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "support"))  # which starts and stops anvil

from figures import Figure  # noqa: E402 - its modules start anvil as tests do, so the path comes first

PARTS = (
    "store", "submissions", "gas", "scan", "contribution", "sweep", "overhead", "simulation", "deployed",
)  # fmt: skip
LONG = ("contribution", "learning", "guards")
PACKAGES = ("fedledger", "flwr", "py-evm", "web3", "eth-account", "coincurve")


def main() -> int:
    """Run the parts that were asked for, and return the exit code."""
    arguments = _arguments()
    parts = LONG if arguments.long else PARTS
    found = [figure for part in arguments.only or parts for figure in _measure(part, arguments.long)]
    if arguments.json:
        print(json.dumps([figure.record() for figure in found], indent=2))
    else:
        Console().print(_table(found))
    if not arguments.only:
        _keep("long.json" if arguments.long else "results.json", [figure.record() for figure in found])
        _keep("machine.json", _machine())
    return int(any(figure.met is False for figure in found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what there are targets for.")
    parser.add_argument("--long", action="store_true", help="measure what takes up to hours")
    parser.add_argument(
        "--only", action="append", choices=sorted({*PARTS, *LONG}), help="this part; nothing is kept then"
    )
    parser.add_argument("--json", action="store_true", help="print what would be kept")
    arguments = parser.parse_args()
    for part in arguments.only or ():
        if part not in (LONG if arguments.long else PARTS):
            parser.error(f"{part} is measured {'without' if arguments.long else 'with'} --long")
    return arguments


def _measure(part: str, long: bool) -> list[Figure]:
    print(f"{part} …", file=sys.stderr)
    module = import_module(part)
    return list(module.long_figures() if long else module.figures())


def _table(found: list[Figure]) -> Table:
    table = Table("name", "value", "unit", "target", "met", title=f"Figures of {_machine()['date']}")
    for figure in found:
        met = {True: "yes", False: "[red]no[/red]", None: ""}[figure.met]
        table.add_row(
            figure.name,
            f"{figure.value:,.4g}" if figure.value < 1000 else f"{figure.value:,.0f}",
            figure.unit,
            figure.target or "",
            met,
        )
    return table


def _machine() -> dict[str, object]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _keep(name: str, content: object) -> None:
    (HERE / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
