"""The page of the landscape study: where does hierarchical pretraining pay, and where not?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="Where does HPT pay?",
    verdict="landscape",
    sections=(
        Section(
            title="The landscape",
            figure="landscape",
            prose="""
                Each cell is a comparison of its own, at a level of both factors. Compare neighbours: where a map has
                one colour throughout, neither factor matters for the choice between its two arms; where the colour
                changes along the rows or the columns, that factor does. A cell that is pale and without a mark is not
                a draw: it was not decided.
            """,
        ),
        Section(
            title="{Metric} along the first factor",
            figure="accuracy",
            prose="""
                A part of the same runs on an absolute scale, with the second factor held at its baseline. A map of
                differences says nothing of this: an arm may be ahead everywhere and of no use anywhere.
            """,
        ),
        SOURCES,
        training("A low loss says nothing of {metric}."),
        COST,
    ),
)
