"""Fronts: domination, points over seeds, knees, indicators, attainment and comparisons."""
