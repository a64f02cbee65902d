"""What each arm gains on the target against what it loses on the data that its base was pretrained on."""

from __future__ import annotations

import plotly.graph_objects as go

from hpt_ray.analysis.forgetting import Forgetting, forgetting
from hpt_ray.analysis.measures.run import Run
from hpt_ray.report.figure import Figure, markers, panels, series, styles, text


def compute(run: Run) -> tuple[Forgetting, ...]:
    return tuple(measured for target in run.study.targets if (measured := forgetting(run, target)))


def draw(value: tuple[Forgetting, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value] or [""], height=380)
    style = styles([panel.base for panel in value[:1]] + [each.arm for panel in value[:1] for each in panel.balances])
    for row, panel in enumerate(value, start=1):
        for each in panel.balances:
            gain, kept = each.gain.difference, each.kept.difference
            if gain is None or kept is None:
                continue
            own = markers(style[each.arm], [gain]) | markers(style[each.arm], [kept], along="x")
            ends = [100 * end for part in (gain, kept) for end in (part.low, part.high)]
            drawn.add_scatter(
                **series(each.arm, each.gain.subject, row),
                **own | {"customdata": [[*ends, min(gain.seeds, kept.seeds)]]},
                hovertemplate="%{fullData.name}<br>target: %{y:+.1f} points [%{customdata[0]:+.1f}, "
                f"%{{customdata[1]:+.1f}}]<br>{text(panel.retained)}: %{{x:+.1f}} points [%{{customdata[2]:+.1f}}, "
                "%{customdata[3]:+.1f}], seeds: %{customdata[4]}<extra></extra>",
            )
        drawn.update_xaxes(
            row=row, col=1, title=f"change on {text(panel.retained)}, points", zeroline=True, zerolinewidth=2
        )
        drawn.update_yaxes(row=row, col=1, title="change on the target, points", zeroline=True, zerolinewidth=2)
    return drawn


figure = Figure(
    compute,
    draw,
    "{Metric} of each arm minus that of the base as it is, at the same seeds and test examples: upwards on the target, "
    "to the right on the data that the base was pretrained on, in points. The two intervals of an arm hold together at "
    "95 %.",
)
