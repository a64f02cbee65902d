"""The baseline without random grayscale (the paper's "remove grayscale")."""

from hpt_ray.spec.policies.baseline import policy as baseline

policy = baseline.without("grayscale")
