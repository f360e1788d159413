"""Numbers in a space file, which are neither text, nor booleans, nor without bounds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from results.records.text import LARGEST, is_number


def _number(value: Any) -> Any:
    if isinstance(value, str):
        hint = "; write it as a plain number, without quotes or underscores" if is_number(value) else ""
        raise ValueError(f"expected a number, found the text {value!r:.60}{hint}")
    if isinstance(value, bool):
        raise ValueError(f"expected a number, found {value}")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{value!r:.60} is too large")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(_number)]
