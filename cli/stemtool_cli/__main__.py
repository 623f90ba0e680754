"""``python -m stemtool_cli``: the same as ``stemtool``."""

from stemtool_cli.main import main

main()
