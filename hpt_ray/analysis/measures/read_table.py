"""A file of anyone's results to the scores of every arm; whatever was taken for granted on the way is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from hpt_ray.analysis.measures import columns as usual
from hpt_ray.analysis.measures.answers import STORED, factor_columns, scored_answers
from hpt_ray.analysis.measures.column_values import identities, in_order, numeric, only, sorted_names, texts_of
from hpt_ray.analysis.measures.long_table import LongTable, Options, scored
from hpt_ray.analysis.measures.one_row_each import one_row_each
from hpt_ray.analysis.measures.scale import mixed, unit_of
from hpt_ray.analysis.measures.table_file import load
from hpt_ray.analysis.measures.text_format import SHARES, listed
from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.core.paths import path_of
from hpt_ray.core.text import visible
from hpt_ray.spec.arm import LABELS

#: Kinds of columns whose names are shown as they are written, and those by which rows are matched.
AS_WRITTEN, MATCHED = ("arm", "target", "level", "repeat", "status"), ("seed", "example", "group")
WORDS = {"acc": "accuracy", "correct": "accuracy", "auroc": "AUROC", "auc": "AUC", "miou": "mIoU", "iou": "IoU"}


def read(file: str, options: Options) -> LongTable:
    """The scores of every arm of a table.

    Raises:
        DataError: for a table that cannot be understood, or that lacks something. UnknownNameError: for a column or an
            arm that it does not have.
    """
    table = load(file)
    stored = set(table.columns) >= STORED  # a table of a run of this project
    if stored:
        table = table[table["class"].isna()] if "class" in table else table
        table = table.assign(arm=table["arm"].map(lambda chain: LABELS.get(chain, chain)))
    baseline = LABELS.get(options.baseline, options.baseline) if stored else options.baseline
    factors = factor_columns(table) if stored else []
    table = only(table, options.where, factors)
    arm = usual.arm_column(table, options.arm, baseline)
    table, metric, notes = _one_metric(table, options.metric, [arm])
    roles, named = _roles(table, options, arm, factors)
    columns = {kind: column for kind, column in roles.items() if column}
    values = _values(table, named, columns, metric, visible(path_of(file).name))
    metric = metric or usual.quantity(values.of)
    metric = WORDS.get(metric, metric.replace("_", " "))
    arms = tuple(values.rows["arm"].unique())  # also one whose runs have all failed
    rows, left = one_row_each(values.rows, table, values.text, roles, [*columns.values(), *values.columns])
    # Scores of answers are shares, though an example's part in an AUROC may lie beyond 0 and 1.
    computed = SHARES, 1.0, "computed as a share"
    read_as = unit_of(rows["value"], usual.quantity(metric) in usual.NUMBERS)
    unit, factor, kind = computed if values.answers else read_as
    higher = usual.quantity(metric) not in usual.LOWER if options.higher is None else options.higher
    if factor != 1.0:
        left += mixed(rows, higher=higher)
    given = 1.0 if options.margin is None and unit == SHARES else options.margin or 0.0
    if not math.isfinite(given):
        raise DataError(f"--margin {given} is no difference: give a number.")
    levels = rows["level"].dropna().unique().tolist() or [""]
    first = levels[0] if options.at is None else options.at
    if first not in levels:
        raise UnknownNameError("level", first, levels)
    seeds, by = sorted_names(rows["seed"]), usual.plain(roles["seed"] or "run").replace("_", " ")
    if arms == (baseline,):
        raise DataError(f"the column {arm!r} has no other arm than {baseline!r}: there is nothing to compare it with.")
    places = {seed: place for place, seed in enumerate(seeds)}
    numbered = rows.assign(value=rows["value"] * factor, seed=rows["seed"].map(places).astype("Int64"))
    if not seeds:
        numbered["seed"] = 0
    scores = scored(numbered)
    if not any(len(own.examples) for own in scores.values()):
        raise DataError(
            f"no test example is in all runs of a target (column {roles['example']!r}): give examples the same names."
        )
    return LongTable(
        file=file,
        arms=arms,
        baseline=baseline,
        targets=tuple(rows["target"].unique()),
        levels=(first, *(level for level in levels if level != first)),
        level_of=usual.plain(roles["level"] or "level"),
        seeds=tuple(seeds) or ("",),
        by=by,
        metric=metric,
        higher=higher,
        unit=unit,
        margin=given / unit.factor,
        most=_most(rows["value"], shares=unit == SHARES, by_example=roles["example"] is not None),
        by_example=roles["example"] is not None,
        paired=roles["seed"] is not None or roles["example"] is not None,
        reading=(
            _roles_text(roles, values.text, f"{metric}, {'higher' if higher else 'lower'} is better, {kind}"),
            *notes,
            *left,
        ),
        scores=scores,
    )


def _most(values: pd.Series, *, shares: bool, by_example: bool) -> float:
    """The largest difference that there can be: of numbers of single examples, as large as any two of them have."""
    if shares:
        return 1.0
    return float(values.max() - values.min()) or 1.0 if by_example else math.inf


def _roles(
    table: pd.DataFrame, options: Options, arm: str, factors: list[str]
) -> tuple[dict[str, str | None], list[str]]:
    """What each column is, by kind, and the columns of values that were named.

    Raises:
        DataError: if a column is named as two things.
    """
    named = {kind: getattr(options, kind) for kind in ("target", "seed", "example", "group")}
    values = usual.named_values(table, options.value)
    taken = [arm, *filter(None, [*named.values(), options.level]), *values]
    if twice := [name for name in taken if taken.count(name) > 1]:
        raise DataError(f"the column {twice[0]!r} is taken for two things: name another, as by --arm, --value, --unit.")
    roles = {"arm": arm} | {kind: _column(table, name, kind, taken) for kind, name in named.items()}
    roles["level"] = _level(table, options, factors, taken)
    if roles["example"] is None or (roles["group"] and table[roles["group"]].isna().all()):
        roles["group"] = None
    return roles, values


def _column(table: pd.DataFrame, named: str | None, kind: str, taken: Sequence[str]) -> str | None:
    """The column of a kind: the one named, or the likeliest of those called like one; None without any.

    Args:
        taken: columns that are something else.
    """
    if named:
        return usual.existing(table, named)
    return next((name for name in usual.called(table.columns, kind) if name not in taken), None)


def _level(table: pd.DataFrame, options: Options, factors: list[str], taken: Sequence[str]) -> str | None:
    varied = [name for name in factors if table[name].nunique() > 1]
    if options.level is None and len(varied) > 1:
        others = " ".join(f"--where {name}={texts_of(table[name].dropna()).iloc[0]}" for name in varied[1:])
        raise DataError(
            f"the run varies {listed(varied)}: name one and hold the others, as --level {varied[0]} {others}."
        )
    return _column(table, options.level or next(iter(varied), None), "level", taken)


def _one_metric(table: pd.DataFrame, wanted: str | None, taken: Sequence[str]) -> tuple[pd.DataFrame, str, list[str]]:
    """The rows of one metric, of the test split and of one evaluation: with the metric's name, and what was left."""
    notes = []
    metric = _column(table, None, "metric", taken)
    if metric is not None:
        names = texts_of(table[metric]).dropna().unique().tolist()
        if wanted is None and len(names) > 1:
            raise DataError(f"the column {metric!r} has {listed(names)}: choose one, such as --metric {names[0]!r}.")
        wanted = wanted or next(iter(names), None)
        table = only(table, {metric: wanted} if wanted else {})
    split, evaluation = (_column(table, None, kind, taken) for kind in ("split", "evaluation"))
    if split is not None and texts_of(table[split]).nunique() > 1:
        texts = texts_of(table[split])
        if "test" not in set(texts):
            raise DataError(
                f"the column {split!r} has {listed(sorted_names(table[split]))}: choose one by --where {split}=."
            )
        table = table[(texts == "test") | texts.isna()]
        notes.append(f"Rows of the split test are used ({split!r}).")
    if evaluation is not None and texts_of(table[evaluation]).nunique() > 1:
        first, *others = texts_of(table[evaluation]).dropna().unique()
        table = only(table, {evaluation: first})
        notes.append(
            f"Of the evaluations the first is used, {first}; another is chosen by --where {evaluation}={others[0]}."
        )
    return table, wanted or "", notes


class Values(NamedTuple):
    """Rows ``target arm level seed example group step repeat status value``, and where the values are from.

    ``columns`` are their columns, ``of`` is what they are of; ``answers``: whether they were computed from predictions,
    the first column, and the truth, the second.
    """

    rows: pd.DataFrame
    columns: Sequence[str]
    of: str
    answers: bool = False

    @property
    def text(self) -> str:
        """The columns in a sentence."""
        names = [repr(column) for column in self.columns]
        if self.answers:
            return "column {} against {}".format(*names)
        return f"column{'s' if names[1:] else ''} {listed(names)}"


def _values(table: pd.DataFrame, value: list[str], roles: dict[str, str], metric: str, name: str) -> Values:
    """The values of a table.

    Args:
        value: the columns of values that were named. name: what the target is called where no column names it.
    """
    taken = [*roles.values(), *value]
    others = "step", "repeat", "status"
    roles = roles | {kind: column for kind in others if (column := _column(table, None, kind, taken))}
    as_written = {kind: texts_of(table[column]) for kind, column in roles.items() if kind in AS_WRITTEN}
    matched = {kind: identities(table[column]) for kind, column in roles.items() if kind in MATCHED}
    rows = pd.DataFrame(as_written | matched, index=table.index)
    if "example" in roles:
        rows["example"] = in_order(rows["example"])
    rows["row"] = table.index + 1
    rows["step"] = numeric(table[roles["step"]]) if "step" in roles else 0.0
    for kind, missing in {**dict.fromkeys([*AS_WRITTEN, *MATCHED]), "example": "", "target": name}.items():
        if kind not in roles:
            rows[kind] = missing
    if not value:
        asked = "" if _column(table, None, "metric", taken) else metric
        value = list(filter(None, [usual.value_column(table, asked, roles.values())]))
    if not value:
        scores, of, columns = scored_answers(table, rows, metric)
        if "example" not in roles:
            raise DataError("predictions are of test examples, and no column names these: name it by --example.")
        return Values(rows.assign(value=scores), columns, of, answers=True)
    if len(value) > 1:  # one metric on several data sets, a column each
        parts = [rows.assign(target=column, value=numeric(table[column])) for column in value]
        return Values(pd.concat(parts), value, _common(value))
    return Values(rows.assign(value=numeric(table[value[0]])), value, value[0])


def _common(value: list[str]) -> str:
    """What several columns of values are all of."""
    quantities = {usual.quantity(column) for column in value}
    if len(quantities) > 1 and quantities & {*usual.LOWER}:
        raise DataError(f"the columns {listed(value)} are not of one metric: judge them one by one.")
    return quantities.pop() if len(quantities) == 1 else "value"


def _roles_text(roles: dict[str, str | None], value: str, about: str) -> str:
    """What was taken for what: "arm = column 'model', value = column 'acc' (accuracy, higher is better, ...)"."""
    unit = "seed" if usual.plain(roles["seed"] or "seed").endswith("seed") else "unit"
    named = [f"{unit if kind == 'seed' else kind} = column {column!r}" for kind, column in roles.items() if column]
    named.insert(1, f"value = {value} ({about})")
    lacking = [kind for kind in ("seed", "example") if not roles[kind]]
    none = f"; no column of {' and '.join(f'{kind}s' for kind in lacking)}" if lacking else ""
    return f"Read as {', '.join(named)}{none}."
