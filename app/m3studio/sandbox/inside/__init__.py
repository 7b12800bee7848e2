"""What runs beside the code of a tool, in the sandbox's own interpreter: standard library only."""
