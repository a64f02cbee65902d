"""The words for claims of which "better" would say too little, by what they are about."""

from __future__ import annotations

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.findings import Phrases

ROBUSTNESS = Phrases(
    outcomes={
        Outcome.BETTER: "{subject} is more robust to the {factor} than {against}",
        Outcome.WORSE: "{subject} is less robust to the {factor} than {against}",
        Outcome.EQUIVALENT: "{subject} and {against} are equally robust to the {factor}, within {margin}",
        Outcome.UNDECIDED: "there is {lack} that {subject} and {against} differ in their robustness to the {factor}",
    },
    beside=" (standard deviation over the levels, without noise: {deviation.value} points against "
    "{other_deviation.value}; {against} minus {subject} {difference}{without}; a {factor} taken at random loses "
    "{loss.text} points to the best one of {subject}, and {other_loss.text} to that of {against})",
    unknown="whether {subject} is more robust to the {factor} than {against} cannot be said ({lacking})",
    topic="robustness",
)

WORST_CHANGE = Phrases(
    outcomes={
        Outcome.BETTER: "the worst change of {subject} from its baseline is above that of {against}",
        Outcome.WORSE: "the worst change of {subject} from its baseline is below that of {against}",
        Outcome.EQUIVALENT: "the worst change of {subject} from its baseline is that of {against} within {margin}",
        Outcome.UNDECIDED: "there is {lack} that the worst changes of {subject} and {against} from their baselines "
        "differ",
    },
    beside=" ({subject}: {worst}; {against}: {other_worst}; difference {difference} points{without})",
    unknown="the worst changes of {subject} and {against} from their baselines cannot be compared ({lacking})",
)

DEPENDENCE_ON_BASE = Phrases(
    outcomes={
        Outcome.BETTER: "a longer base does less for {subject} than for {against}",
        Outcome.WORSE: "a longer base does more for {subject} than for {against}",
        Outcome.EQUIVALENT: "a longer base does as much for {subject} as for {against}, within {margin}",
        Outcome.UNDECIDED: "there is {lack} that a longer base does not do the same for {subject} and {against}",
    },
    beside=": from the weakest base ({weakest}) to the strongest ({strongest}) {subject} changes by {change.text} "
    "points and {against} by {other_change.text} ({against} minus {subject} {difference}{without})",
    unknown="how much {subject} depends on its base cannot be said ({lacking})",
    topic="the dependence on the base",
)

CHANGE_WITH_LABELS = Phrases(
    outcomes={
        Outcome.BETTER: "against {other} HPT does better with {few} than with {many}",
        Outcome.WORSE: "against {other} HPT does worse with {few} than with {many}",
        Outcome.EQUIVALENT: "the difference of HPT from {other} is equal with both within {margin}",
        Outcome.UNDECIDED: "there is {lack} that the difference of HPT from {other} depends on the number of labels",
    },
    beside=" ({difference} points{without})",
    unknown="whether the difference of HPT from {other} depends on the number of labels cannot be said ({lacking})",
)

FLATNESS = Phrases(
    outcomes={
        Outcome.BETTER: "the choice of policy matters less to {subject} than to {against}",
        Outcome.WORSE: "the choice of policy matters more to {subject} than to {against}",
        Outcome.EQUIVALENT: "the choice of policy matters as much to {subject} as to {against}, within {margin}",
        Outcome.UNDECIDED: "there is {lack} that the choice of policy matters to {subject} and {against} differently",
    },
    beside=" (standard deviation over random policies, without luck: {deviation.value} points against "
    "{other_deviation.value}; {against} minus {subject} {difference}{without})",
    unknown="whether the choice of policy matters less to {subject} than to {against} cannot be said ({lacking})",
    topic="how much the policy matters",
)

FASTER = {
    Outcome.BETTER: "{subject} is faster than {against}",
    Outcome.WORSE: "{against} is faster than {subject}",
    Outcome.EQUIVALENT: "{subject} and {against} come out equivalent within {margin}",
    Outcome.UNDECIDED: "there is {lack} that {subject} or {against} is the faster one",
}

#: What is said of phases that have the same outcome: of one, and of several.
PHASE_ADDS = {
    Outcome.BETTER: ("{phases} raises {metric}", "{phases} raise {metric}"),
    Outcome.WORSE: ("{phases} lowers {metric}", "{phases} lower {metric}"),
    Outcome.EQUIVALENT: (
        "{phases} changes {metric} by less than {margin}",
        "{phases} change {metric} by less than {margin}",
    ),
    Outcome.UNDECIDED: ("there is not enough evidence on {phases}",) * 2,
}
