"""The page of the base study: how good must a base be for hierarchical pretraining to pay?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, Dashboard, Section, training

dashboard = Dashboard(
    title="Robustness to the base model",
    verdict="base_quality",
    sections=(
        Section(
            title="{Metric} against the base's pretraining",
            figure="accuracy_by_number",
            prose="""
                Bases differ in how long they were pretrained, and at the right in how. The height between an arm and
                direct transfer is what target pretraining adds to that base: where it shrinks to nothing, the base was
                enough. Where an arm falls below the line of from scratch, the base did harm.
            """,
        ),
        Section(
            title="{Metric} against the base's quality",
            figure="base_quality",
            prose="""
                The same runs by how good a base is for this target, instead of how long it was pretrained. A flat run
                of symbols does not depend on its base; one along the diagonal has no more than the base gave it.
            """,
        ),
        Section(
            title="Where the uncertainty comes from",
            figure="sources",
            prose="""
                {Metrics} would come out differently with other pretraining seeds, another start of the probe or other
                test images. The largest source is the one worth having more of. A base is pretrained once, and what
                another one like it would have given is in none of these.
            """,
        ),
        training("A low loss says nothing of {metric}: arms that start from other weights settle at other losses."),
        COST,
    ),
)
