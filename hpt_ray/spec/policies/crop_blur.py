"""Only the crop and the blur (the paper's "crop + blur only"; its configuration has no flip)."""

from hpt_ray.spec.policies.baseline import policy as baseline

policy = baseline.without("color_jitter", "grayscale", "flip")
