"""Tables that scripts write into the pages of docs/."""

from __future__ import annotations

import re


def with_table(page: str, name: str, table: str) -> str:
    """The page with the table between its two comments."""
    begin, end = f"<!-- table {name} -->", "<!-- end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no place for the table {name!r}: {begin} ... {end}")
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", page)
