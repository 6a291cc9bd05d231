"""Recipes: functions that return a Run."""

from s3nn.config import Run
from s3nn.registry import RECIPES

__all__ = ["find_recipe"]


def find_recipe(name: str) -> Run:
    """The run that the recipe ``name`` describes; an unknown name gets a did-you-mean.

    >>> find_recipe("digits_cnn").data.name
    'digits'
    """
    run: Run = RECIPES.get(name)()
    return run
