"""The checks before a route is called: keys, scopes, rates, the host that was asked for, and pages of other sites."""
