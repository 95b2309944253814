"""Answers as objects."""
