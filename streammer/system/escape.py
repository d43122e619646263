r"""Characters that an output cannot show are escaped, as JSON escapes them.

``PYTHONIOENCODING=cp1252`` and a file name in Japanese must not end a program. JSON's ``\uXXXX``
is read by people, and by programs where the output is JSON: there, only strings hold such
characters.
"""

import codecs

__all__ = ["ESCAPE"]

ESCAPE = "streammer-escape"
"""Name of the handler of errors, for `str.encode` and for text files."""


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    escaped = "".join(f"\\u{units[k]:02x}{units[k + 1]:02x}" for k in range(0, len(units), 2))
    return escaped, error.end


codecs.register_error(ESCAPE, _escape)
