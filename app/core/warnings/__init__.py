"""Warnings: mistakes that numbers betray, and notices of an answer."""
