"""The page of the methods study: does the finding depend on the self-supervised method?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="Does the method matter?",
    verdict="methods",
    sections=(
        Section(
            title="HPT against its alternatives, by method",
            figure="methods",
            prose="""
                Under each method base and target are pretrained with that method (a base that is given is the same
                under all), and HPT is compared with the other arms of the same method. If the finding does not depend
                on the method, all blue symbols lie on one side of zero. Gray symbols compare two methods: away from
                zero, hierarchical pretraining is worth more under one than under the other.
            """,
        ),
        Section(
            title="{Metric} under each method",
            figure="accuracy",
            prose="""
                The same runs on an absolute scale. A method may be better than another in every arm, which says
                nothing of hierarchical pretraining: compare arms within a method.
            """,
        ),
        SOURCES,
        training(
            "A low loss says nothing of {metric}: each method has a loss of its own, so losses under "
            "different methods do not rank them."
        ),
        COST,
    ),
)
