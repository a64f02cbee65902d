"""The page of the augmentation study: is hierarchical pretraining more robust to the augmentation policy?"""

from __future__ import annotations

from hpt_ray.report.dashboard import COST, SOURCES, Dashboard, Section, training

dashboard = Dashboard(
    title="Robustness to the augmentation policy",
    verdict="robustness",
    sections=(
        Section(
            title="What each policy costs",
            figure="accuracy_change",
            prose="""
                Each symbol is what an arm loses or gains when it is pretrained under another policy, measured against
                the same arm and the same seed under the baseline policy. An arm whose symbols stay near zero does not
                care which policy was chosen; an arm whose symbols fall needs the right one. An interval that crosses
                zero is no evidence of a change.
            """,
        ),
        Section(
            title="{Metric} under each policy",
            figure="accuracy",
            prose="""
                Robustness is worth little without {metric}, so this figure shows the same runs on an absolute scale.
                Compare arms within a policy, each arm with its step-0 stroke (what it began with), and all of them
                with the line of direct transfer: target pretraining that ends below that line was not worth its cost.
                An interval here is of one policy alone. The verdict's differences at the baseline take from all
                policies how much luck a seed has, which more pretrainings tell better.
            """,
        ),
        Section(
            title="Robustness in two numbers",
            figure="robustness",
            prose="""
                The variation asks how much the choice of policy matters at all, and the worst change what leaving this
                very baseline costs.
            """,
        ),
        SOURCES,
        Section(
            title="What the policies do",
            figure="views",
            prose="""
                Two views of one image are a positive pair: the network learns to say that they show the same thing.
                What varies between views is what it learns to ignore.
            """,
        ),
        training(
            "A low loss says nothing of {metric}: an easy policy gives a low loss and poor features, so "
            "losses under different policies do not rank them."
        ),
        COST,
    ),
)
