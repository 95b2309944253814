"""The headers Content-Type, Content-Encoding and Accept, and the table of formats."""
