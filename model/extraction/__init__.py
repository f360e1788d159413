"""Vocabularies proposed by a language model: `python -m model.extraction`.

- `labels`: the classes and how they were recorded, as a person writes them down
- `prompt`: what is asked for, and the form of the answer
- `backends`: what answers: an HTTP endpoint, or a model that runs here
- `dialogue`: asking until an answer can be used
- `answer`, `phrases`: what makes an answer, and a phrase in it, usable
- `files`: the vocabulary for people, and the answers word for word
"""

from model.extraction.backends import ChatEndpoint, LanguageModel, LocalLanguageModel
from model.extraction.dialogue import ask
from model.extraction.labels import ClassLabels, LabelsError, read_class_labels
from model.extraction.prompt import Request

__all__ = [
    "ChatEndpoint",
    "ClassLabels",
    "LabelsError",
    "LanguageModel",
    "LocalLanguageModel",
    "Request",
    "ask",
    "read_class_labels",
]
