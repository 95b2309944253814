"""The HTTP face: it checks requests, documents answers, and gives errors their status."""
