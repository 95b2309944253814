"""Several processes that serve as one: how many, what each may take, who replaces the dead, and who takes a client."""
