"""The `redraft` command."""


def main() -> None:
    """Run the command line."""
