"""A server on uvicorn that adds deadlines, bounds on heads, problems as answers, and indifference to upgrade offers."""
