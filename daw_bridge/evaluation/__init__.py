"""Figures that prove what the engine promises."""
