"""What linkages and keeping opposites apart do to the shipped vocabularies: `python -m benchmarks.merging`."""

from __future__ import annotations

from pathlib import Path

from model.configuration.reading import Configuration
from model.sub_actions.cut import cut_tree, valid_cuts
from model.sub_actions.encoder import TextEncoder
from model.sub_actions.scores import compact_range
from model.sub_actions.tree import MergeTree
from model.sub_actions.vocabulary import Vocabulary, load_vocabulary

VOCABULARIES = Path(__file__).parents[1] / "spaces" / "sub_actions"
WAYS = [("average", False), ("average", True), ("complete", False), ("complete", True), ("single", False)]
COUNT: int = Configuration.model_fields["num_sub_actions"].default


def cell(vocabulary: Vocabulary, tree: MergeTree) -> str:
    """The possible numbers; then, at the usual one, opposites merged and phrases of the largest sub-action."""
    valid = valid_cuts(vocabulary, tree)
    if COUNT not in valid:
        return compact_range(valid)
    largest = max(map(len, tree.groups(COUNT)))
    return f"{compact_range(valid)}; {len(cut_tree(vocabulary, tree, COUNT).opposites())}, {largest}"


def main() -> None:
    encoder = TextEncoder()
    heads = [f"{linkage}{', apart' if apart else ''}" for linkage, apart in WAYS]
    print(f"| vocabulary | classes, phrases | {' | '.join(heads)} |\n|---|---|{'---|' * len(WAYS)}")
    for file in sorted(VOCABULARIES.glob("*.yaml")):
        vocabulary = load_vocabulary(file)
        phrases = vocabulary.all_phrases()
        embeddings = encoder.encode(phrases)
        cells = [cell(vocabulary, MergeTree(phrases, embeddings, linkage, apart)) for linkage, apart in WAYS]
        print(f"| {file.stem} | {len(vocabulary.classes)}, {len(set(phrases))} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
