"""The page of the policy search: which augmentation suits each arm, and how much does the choice matter?"""

from __future__ import annotations

from hpt_ray.report.dashboard import Dashboard, Section

dashboard = Dashboard(
    title="Search for augmentation policies",
    verdict="search",
    sections=(
        Section(
            title="How flat is the optimum",
            figure="flatness",
            prose="""
                A flat optimum forgives the wrong policy. Every arm was pretrained under the same policies, drawn at
                random from the whole space, before any search began, so that no arm's sampler could crowd around its
                own favourites. A curve that stays high means that most policies would have done.
            """,
        ),
        Section(
            title="Every policy that was tried",
            figure="policies_tried",
            prose="""
                Look for a slope or a hump. A cloud without shape means that the parameter does not matter within the
                range, or that too few policies were tried to see it. The arms see the same images, so their clouds
                can be compared; the open symbols are where the sampler thought it worth to look.
            """,
        ),
        Section(
            title="Which operators matter",
            figure="importance",
            prose="""
                Importance always adds up to all of it, even when nothing matters. What counts is the distance to the
                dotted stroke, and whether the symbol is filled. Few policies give wide intervals: a search finds a
                good policy sooner than it explains why it is good.
            """,
        ),
        Section(
            title="What the best policies do",
            figure="views",
            prose="""
                Two views of one image are a positive pair: the network learns to say that they show the same thing.
                Here are the baseline and the policies that the search found.
            """,
        ),
        Section(
            title="Cost",
            figure="cost",
            prose="""
                Time is that of the pretraining phases alone, as each ran on this hardware, the short budgets included;
                evaluations are not in it.
            """,
        ),
    ),
)
