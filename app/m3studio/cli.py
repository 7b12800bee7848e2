"""The `m3studio` command: reads flags, says errors in one sentence. Heavy rooms are imported only by the verb."""


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return 0 if argv is None else 2
