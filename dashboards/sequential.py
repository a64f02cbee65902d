"""The page of the sequential study: what does each phase of base, source and target add?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="What each phase of pretraining adds",
    verdict="phases",
    sections=(
        Section(
            title="What each phase adds",
            figure="phases",
            prose="""
                A phase is judged by leaving it out: the {metric} of a chain minus that of the same chain without the
                phase, evaluated on the target. The source phase is worth its cost where its symbols lie right of zero,
                above all in the full chain: what it adds to a base may be gone once the target phase follows.
            """,
        ),
        Section(
            title="{Metric} of each chain",
            figure="chains",
            prose="""
                The same runs on an absolute scale. Each chain begins where its stroke stands, with the weights of the
                chain before it; how far its symbol lies from the stroke is what its last phase did.
            """,
        ),
        SOURCES,
        training(
            "A low loss says nothing of {metric}: phases on other data have other losses, so losses of "
            "chains that end differently do not rank them."
        ),
        COST,
    ),
)
