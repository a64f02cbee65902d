"""The page of the adaptation study: which way of going on from one base is best, and what does each forget?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="Ways of going on from one base",
    verdict="adapt",
    sections=(
        Section(
            title="{Metric} of each arm",
            figure="chains",
            prose="""
                All arms but the one from scratch start from the same base, whose {metric} is the stroke beside each
                symbol. How far a symbol lies from its stroke is what that way of going on did to the target.
            """,
        ),
        Section(
            title="{Metric} against effort",
            figure="effort",
            prose="""
                Of two arms that reach the same, take the one further to the left. Adapting batch norm alone changes few
                weights, which are all that has to be stored beside the base; it takes about as long, since images
                pass the whole network all the same.
            """,
        ),
        SOURCES,
        training(
            "A low loss says nothing of {metric}. The loss of an arm that keeps features has their distance in it, so "
            "it lies above that of HPT."
        ),
        COST,
    ),
)
