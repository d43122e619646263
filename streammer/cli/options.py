"""Options of the command line out of the tables of a run: help and environment variable."""

from typing import Any

from cyclopts import Parameter

from streammer.config.run import Table, help_of

__all__ = ["option"]


def option(
    table: type[Table], key: str, variable: str = "", *, flag: bool = False, **fields: Any
) -> Parameter:
    """Return the option that sets a key of a table.

    Parameters
    ----------
    table : type of Table
    key : str
    variable : str
        Name of the environment variable behind ``STREAMMER_``; by default the key without its unit.
    flag : bool
        Whether it has no ``--no-`` form, or no empty one.
    """
    variable = variable or key.partition("_")[0].upper()
    if flag:
        fields["negative"] = ()
    return Parameter(help=help_of(table, key), env_var=f"STREAMMER_{variable}", **fields)
