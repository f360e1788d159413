"""Sub-actions: phrases of a vocabulary, merged by what they mean; `python -m model.sub_actions` shows what merges.

- `vocabulary`: the phrases of each class, read from YAML and matched with the classes of a data set
- `encoder`: the frozen sentence encoder that embeds them (the only file that loads torch, so not re-exported)
- `opposites`, `opposites.yaml`: phrases that say opposite things
- `tree`: all merges of a set of phrases, nearest first
- `cut`: the tree cut at K sub-actions, and which class owns which
- `alternatives`: sub-actions that the same classes own, and how people read them
- `measures`: formulas that say how good a vocabulary is, from embeddings alone
- `scores`: these as text and in files
- `tables`, `pictures`: what the command shows and draws
"""

from model.sub_actions.alternatives import Alternatives, ownership_sets
from model.sub_actions.cut import SubActions, merge_phrases, valid_range
from model.sub_actions.opposites import opposite_words
from model.sub_actions.scores import VocabularyScores, score_vocabulary
from model.sub_actions.tree import MergeTree
from model.sub_actions.vocabulary import SubActionError, Vocabulary, load_vocabulary, match_classes

__all__ = [
    "Alternatives",
    "MergeTree",
    "SubActionError",
    "SubActions",
    "Vocabulary",
    "VocabularyScores",
    "load_vocabulary",
    "match_classes",
    "merge_phrases",
    "opposite_words",
    "ownership_sets",
    "score_vocabulary",
    "valid_range",
]
