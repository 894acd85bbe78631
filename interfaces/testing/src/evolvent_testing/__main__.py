"""``python -m evolvent_testing new-plugin NAME DIRECTORY``."""

from __future__ import annotations

import argparse
import sys

from .new_plugin import new_plugin


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m evolvent_testing")
    command = parser.add_subparsers(required=True).add_parser("new-plugin", help="generate a plugin of your own")
    command.add_argument("name", help="its distribution name, as my-solvers")
    command.add_argument("directory", help="where to write it")
    given = parser.parse_args(arguments)
    try:
        directory = new_plugin(given.name, given.directory)
    except (ValueError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f'{directory} is ready:\n    cd {directory}\n    pip install -e ".[test]"\n    pytest')
    return 0


if __name__ == "__main__":
    sys.exit(main())
