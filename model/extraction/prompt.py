"""What a language model is asked for when it proposes sub-actions, and in which form it should answer.

Owns the wording of the request, the JSON schema of the answer, and the wording in which a bad answer is sent back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from model.extraction.labels import ClassLabels
from model.extraction.phrases import FEWEST_WORDS, MOST_WORDS

Style = Literal["phases", "keywords"]
MOST_KEYWORD_WORDS = 3
MOST_REASONS = 20

PROMPT = """\
A wearable sensor was recorded while people did different things. You write down what such a sensor can feel of them.

Sensor: {sensor}
Worn at: {place}
{more}
The classes of the recordings:
{classes}

Write exactly {count} phrases for each class. Each phrase is one movement, posture, force or rhythm that this sensor
can measure at this place while the class is done: what moves, which way, how often, what hits or turns or holds still.

Rules:
- {fewest} to {most} words, English, lower case, no full stop.
- Concrete and measurable, from the sensor's point of view: nothing that only an onlooker could know.
- No purposes ("to keep balance", "in order to stop", "for landing"); directions such as "to the side" are welcome.
- No adverbs such as "quickly": say what can be measured, such as "twice a second".
- No phrase twice in one class, and no two classes with all the same phrases.

{style}

Answer with one JSON object and nothing else, with every class once under exactly the name given in quotes above:
{form}"""

STYLES: dict[Style, str] = {
    "phases": """\
Go through the phases of the movement in the order in which they happen, from the start of one cycle to its end, and
give each phase one phrase. Say what the arm does and what the leg does, each in phrases of its own. Where a phase is
the same in two classes, use exactly the same words.""",
    "keywords": """\
Of the {count} phrases of each class, {shared} are shared: another class has the same phrase in exactly the same words.
The other {own} are the class's own: no other class has them, and they tell it apart from all others.""",
}

WORDINGS = """\

For every phrase that you use, add an entry to "wordings", once even where several classes share it: a keyword of
1 to {most_keyword} words that names the movement, and a paraphrase that says the same in other words, by the same
rules."""


class Request(NamedTuple):
    """What is asked for.

    Attributes:
        labels: The data set and its classes.
        phrases: How many for each class (M).
        style: How the phrases of a class relate to each other and to those of other classes.
        wordings: Whether a keyword and a paraphrase are asked for with each phrase.
    """

    labels: ClassLabels
    phrases: int
    style: Style
    wordings: bool

    def prompt(self) -> str:
        """Return the request in words, all classes in one, so that they can share phrases."""
        labels, shared = self.labels, self.phrases // 2
        more = [f"Samples per second: {labels.rate_hz:g}"] if labels.rate_hz is not None else []
        more += [f"About the recordings: {labels.description}"] if labels.description else []
        style = STYLES[self.style].format(count=self.phrases, shared=shared, own=self.phrases - shared)
        if self.wordings:
            style += "\n" + WORDINGS.format(most_keyword=MOST_KEYWORD_WORDS)
        return PROMPT.format(
            sensor=labels.sensor,
            place=labels.place,
            more="".join(line + "\n" for line in more),
            classes="\n".join(self._class_line(name) for name in labels.class_names),
            count=self.phrases,
            fewest=FEWEST_WORDS,
            most=MOST_WORDS,
            style=style,
            form=self._form(),
        )

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the answer, in the subset that structured output takes."""
        text = {"type": "string"}
        several = {"type": "array", "items": text, "minItems": self.phrases, "maxItems": self.phrases}
        parts: dict[str, Any] = {"classes": _object(dict.fromkeys(self.labels.class_names, several))}
        if self.wordings:
            entry = _object({"phrase": text, "keyword": text, "paraphrase": text})
            parts["wordings"] = {"type": "array", "items": entry}
        return _object(parts)

    def _class_line(self, name: str) -> str:
        entry = self.labels.classes[name]
        title = f" ({entry.title})" if entry.title else ""
        return f"- {_quoted(name)}{title}{': ' + entry.note if entry.note else ''}"

    def _form(self) -> str:
        lines = [f'    {_quoted(name)}: ["...", ({self.phrases} phrases)]' for name in self.labels.class_names]
        form = '{\n  "classes": {\n' + ",\n".join(lines) + "\n  }"
        if self.wordings:
            form += ',\n  "wordings": [\n    {"phrase": "...", "keyword": "...", "paraphrase": "..."}, ...\n  ]'
        return form + "\n}"


def correction(reasons: Sequence[str]) -> str:
    """Return what the model is told about an answer that cannot be used."""
    shown = [f"- {reason}" for reason in reasons[:MOST_REASONS]]
    if len(reasons) > MOST_REASONS:
        shown.append(f"- and {len(reasons) - MOST_REASONS} more of this kind")
    return (
        "This answer cannot be used:\n" + "\n".join(shown) + "\n\n"
        "Answer again with the whole JSON object, corrected, and nothing else. All rules from above hold."
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
