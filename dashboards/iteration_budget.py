"""The page of the budget study: how many times faster than from scratch is hierarchical pretraining?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="{Metric} by iteration budget",
    verdict="speedup",
    sections=(
        Section(
            title="{Metric} against target iterations",
            figure="accuracy_by_number",
            prose="""
                Each symbol is a pretraining of its own, whose learning rate falls to zero over just that budget: none
                is a point on the way to a longer one. Read upwards for what a budget is worth, and across for how much
                later another arm is at the same height. A budget that ends below the line of direct transfer was not
                worth its cost.
            """,
        ),
        Section(
            title="Speed-up",
            figure="speedup",
            prose="""
                The same curves, read across: at each {metric} that an arm reaches, how many times its iterations
                from scratch needs. After few iterations an arm has little more than its base gave it, which makes the
                ratio large, as little was spent. Which arm is faster is judged at the best {metric} that both reach;
                it is this study's one question, so Holm's correction is for the comparisons beside it alone.
            """,
        ),
        Section(
            title="Speed-up in iterations, images and seconds",
            figure="speedup_units",
            prose="""
                What counts as cost decides. With the base's own pretraining added, an arm that starts from it is seldom
                the cheaper one for a single target; a base that is there already, or serves many targets, costs little.
            """,
        ),
        SOURCES,
        training("Each budget has its own curve, to be chosen above the figure. A low loss says nothing of {metric}."),
        COST,
    ),
)
