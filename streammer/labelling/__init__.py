"""Many files over the cores.

`files` finds them, `rows` makes the rows of one, and `workers` spreads them over processes.
"""

from streammer.labelling.rows import LabelWarning

__all__ = ["LabelWarning"]
