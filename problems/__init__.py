"""Objectives split over the nodes of a network: node i knows f_i and all seek the minimiser of their mean."""

from __future__ import annotations

from .base import Problem
from .least_squares import LeastSquares
from .logistic import LogisticRegression
from .quadratic import Quadratic

__all__ = ["LeastSquares", "LogisticRegression", "Problem", "Quadratic"]
