"""Requests and answers: their models, and errors in their words."""
