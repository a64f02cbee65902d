"""The page of an advice: is what pretrains on the target better than the bases as they are?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="What serves these images best",
    verdict="advice",
    sections=(
        Section(
            title="{Metric} of each arm",
            figure="chains",
            prose="""
                Each arm begins where its stroke stands, with the weights of the arm before it; how far its symbol lies
                from the stroke is what pretraining on the target did.
            """,
        ),
        SOURCES,
        training("A low loss says nothing of {metric}: losses under different policies do not rank them."),
        COST,
    ),
)
