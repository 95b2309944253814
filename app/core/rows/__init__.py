"""The numbers of each row of a batch, from which all sums are made."""
