"""The columns of a body by name: which of them make which columns of a request."""
