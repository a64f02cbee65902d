"""The page of the data study: how few images of the target are enough to pretrain on?"""

from __future__ import annotations

from hpt_ray.report.dashboard import Dashboard, Section, training

dashboard = Dashboard(
    title="{Metric} by data fraction",
    verdict="retention",
    sections=(
        Section(
            title="{Metric} against the share of images",
            figure="accuracy_by_number",
            prose="""
                Every arm pretrains on the same nested subsets, for the same number of iterations, and is evaluated with
                all labels. An arm whose line is flat does not need many images of the target. One whose line ends below
                that of direct transfer at the left had too few: its pretraining did harm. What an arm keeps is judged
                on its gain, from its own step 0 to its {metric} with all images.
            """,
        ),
        Section(
            title="Where the uncertainty comes from",
            figure="sources",
            prose="""
                {Metrics} would come out differently with other pretraining seeds, which draw other subsets too,
                another start of the probe or other test images. The largest source is the one worth having more of.
                Much of what test images contribute is shared by all arms and cancels in their differences.
            """,
        ),
        training(
            "On few images a network sees each one more often, and a loss that is lower than with all images "
            "may only say that it knows them by heart."
        ),
        Section(
            title="Cost",
            figure="cost",
            prose="""
                Time is that of the pretraining phases alone, as each ran on this hardware; evaluations are not in it.
                Fewer images do not make pretraining cheaper: the number of iterations is the same.
            """,
        ),
    ),
)
