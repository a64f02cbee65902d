"""The baseline without the horizontal flip, for domains where a mirrored image is another class."""

from hpt_ray.spec.policies.baseline import policy as baseline

policy = baseline.without("flip")
