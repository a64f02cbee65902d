"""The page of the low-label study: does hierarchical pretraining help where labels are few?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="Fine-tuning with few labels",
    verdict="labels",
    sections=(
        Section(
            title="{Metric} against the number of labels",
            figure="accuracy_by_labels",
            prose="""
                The whole network is fine-tuned with few labelled images of the target and with all of them. An arm
                whose line is higher at the left needs fewer labels for the same {metric}: read across from its symbol
                to where another arm's line has that height. Lines that meet at the right say that enough labels make
                up for a worse start.
            """,
        ),
        SOURCES,
        training(
            "A low loss says nothing of {metric}: arms that start from other weights settle at other losses, "
            "so losses do not rank them."
        ),
        COST,
    ),
)
