"""Scores of label maps against reference label maps, from files alone."""
