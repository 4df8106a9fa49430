"""What holds for every test.

`--no-skips`: a test that is skipped fails, so that a missing tool cannot pass for a success.

Files that take long come first: a worker that meets them last ends alone, minutes after the others.
"""

import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# started in the background, a shell makes us ignore Ctrl-C, and whatever the tests start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail what would be skipped")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    minutes = Counter[Path]()
    for item in items:
        for mark in item.iter_markers("slow"):
            minutes[item.path] += mark.kwargs.get("minutes", _FEW_SECONDS)
    items.sort(key=lambda item: -minutes[item.path])


_FEW_SECONDS = 0.05
"""Minutes of a slow test that does not say how many."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skip(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skip(collector.config, (yield))


def _without_skip(config: pytest.Config, report: Any) -> Any:
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips was given: {report.longrepr}"
    return report
