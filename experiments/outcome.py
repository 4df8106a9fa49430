"""Whether a run learned anything, and why not."""

from __future__ import annotations

from experiments.progress import Silent
from experiments.results import Results
from fl.errors import FedledgerError
from fl.own import TRACEBACK_HINT


class NothingLearned(FedledgerError):
    """No round of a run closed."""


def demand_learned(results: Results, heard: Silent, hint: str) -> None:
    """Raise NothingLearned when no round closed; `hint` is for when no rule was heard to fail."""
    if any(ended.manifest for ended in results.rounds):
        return
    if heard.fault is None:
        outcome = results.rounds[-1].outcome if results.rounds else "there was none"
        raise NothingLearned(f"No round closed, so nothing was learned; the last one: {outcome}.", hint)
    why = f"the rule {results.config.rule.name} failed: {heard.fault.said}"
    error = NothingLearned(f"No round closed, so nothing was learned: {why}.", TRACEBACK_HINT)
    error.add_note(heard.fault.trace)
    raise error
