"""Many files over the cores.

`files` finds them, `together` labels some side by side, `rows` makes the rows of one, and `workers`
spreads them over processes (`process`).
"""

from streammer.labelling.rows import LabelWarning

__all__ = ["LabelWarning"]
