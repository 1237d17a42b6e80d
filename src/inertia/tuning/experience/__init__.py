"""Choosing by experience: what runs of other jobs ended at, and the policy that learns from it."""

from .policy import ExperiencePolicy

__all__ = ["ExperiencePolicy"]
