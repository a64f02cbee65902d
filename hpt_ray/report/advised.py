"""An advice as a page shows it and a script reads it: its sentences, its commands, and ``advice.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpt_ray.analysis.advice import RATE, Advice, advice
from hpt_ray.analysis.advice_words import described, screened, sentences, spent
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.quantities import interval_record
from hpt_ray.analysis.verdict import Table, Verdict
from hpt_ray.spec.candidates import Candidate


@dataclass(frozen=True)
class Advised:
    """An advice in words.

    Attributes:
        sentences: what to do, and what it is worth. spent: what the advice cost.
        commands: what trains the recommended network, and writes it to a file.
        screened: how far every candidate got.
    """

    advice: Advice
    sentences: tuple[str, str]
    spent: str
    commands: tuple[str, str]
    screened: Table
    run: Run

    @property
    def json(self) -> bytes:
        """The content of ``advice.json``: shares are from 0 to 1, and the gain is a difference of shares."""
        screening, advised = self.run.manifest.screening, self.advice
        assert screening is not None
        content = {
            "target": self.run.study.targets[0],
            "sentences": list(self.sentences),
            "shown": advised.shown,
            "recommended": _candidate(advised.candidate),
            "base_as_it_is": _candidate(advised.base),
            "best_candidate": _candidate(advised.subject),
            "gain": None if advised.gain is None else interval_record(advised.gain) | {"level": 1 - RATE},
            "decision": str(advised.outcome),
            "cost": vars(advised.cost),
            "commands": list(self.commands),
            "spent": {
                "text": self.spent,
                "screening_seconds": screening.seconds,
                "deciding_seconds": self.run.manifest.seconds,
                "screening_compute_seconds": screening.compute_seconds,
                "deciding_compute_seconds": self.run.manifest.compute_seconds,
                "budget": screening.budget,
                "screening_images": screening.images,
                "images_of_all_candidates_on_one_seed": screening.row_images,
                "seeds": len(self.run.study.seeds),
            },
            "screening": screening.model_dump(mode="json", include={"rungs", "finalists", "base", "ended"}),
        }
        return json.dumps(content, indent=2, allow_nan=False).encode()


def advised(run: Run, verdict: Verdict, commands: Callable[[Candidate], tuple[str, str]]) -> Advised | None:
    """The advice of a run in words; None of a run that was not started by one, or has not ended.

    Args:
        commands: those that train a candidate, and write it to a file.
    """
    given, screening = advice(run, verdict), run.manifest.screening
    if given is None or screening is None:
        return None
    words = sentences(run, given), spent(run, screening)
    return Advised(given, *words, commands(given.candidate), screened(screening, run.metric.heading), run)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {"text": described(candidate)} | candidate.model_dump(exclude={"base_role", "target_role"})
