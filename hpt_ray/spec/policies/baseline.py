"""MoCo-v2's policy: crop, colour jitter, grayscale, blur and flip."""

from hpt_ray.spec.policy import Policy

policy = Policy()
