"""What each code of a codebook means: its shape, its sub-actions, how often it is used, and how sure that is.

Owns the object that says so, the names under which it lies in a checkpoint, and its table for people. It is made of
plain arrays, and in the file every part is a tensor or a list of names, so that a reader needs neither this model nor
torch.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from model.checkpoint import CheckpointError
from model.files import write_table
from model.sub_actions.alternatives import Alternatives

CODES_FILE = "codes.csv"
SHOWN = 3  # likeliest sub-actions in the table
# Fields of `CodeMeaning` to names in the checkpoint.
TENSORS = {
    "shapes": "code_shapes",
    "distribution": "code_meanings",
    "accumulated": "code_meanings_accumulated",
    "class_tokens": "code_class_tokens",
    "recordings": "code_recordings",
    "mean_kl": "code_stray",
    "confidence": "code_sureness",
}


class LabelledTokens(NamedTuple):
    """The tokens of the training split, `n` of them."""

    code: np.ndarray  # (n,), int, the code that each chose
    p: np.ndarray  # (n, sub-actions), soft labels
    recording: np.ndarray  # (n,), int, from 0
    y: np.ndarray  # (n,), int, class of the recording


@dataclass(frozen=True, eq=False)
class CodeMeaning:
    """What the codes of one trained model mean; `J` codes, `K` sub-actions, all counts from the training split.

    Attributes:
        shapes: float32, (J, channels of a token, samples), decoded, each of mean 0 and deviation 1; one channel, or all
            of a recording where channels are fused.
        distribution: float32, (J, K), what each code stands for: the accumulated map with `action_head`, the
            decoder's read-out with `action_decoder`.
        accumulated: float32, (J, K), the accumulated map with either method.
        class_tokens: int64, (J, classes), tokens that chose the code, by the class of their recording.
        recordings: float32, (J,), effective number of recordings behind a code: (Σ_r n_r)² / Σ_r n_r².
        mean_kl: float32, (J,), mean KL(p_n ‖ q_j) of the code's tokens in nats; NaN for a code that none chose.
        confidence: float32, (J,), from 0 (nothing is known) to 1; see `measure_meaning`.
        sub_actions: Names, (K,).
        classes: Names, (classes,).
    """

    shapes: np.ndarray
    distribution: np.ndarray
    accumulated: np.ndarray
    class_tokens: np.ndarray
    recordings: np.ndarray
    mean_kl: np.ndarray
    confidence: np.ndarray
    sub_actions: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def tokens(self) -> np.ndarray:
        """`(J,)`, tokens of the training split that chose each code."""
        return self.class_tokens.sum(1)

    @property
    def share(self) -> np.ndarray:
        """`(J,)`, each code's part of all tokens; sums to 1."""
        return self.tokens / self.tokens.sum()

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays under their names in a checkpoint."""
        return {name: getattr(self, field) for field, name in TENSORS.items()}

    def names(self) -> dict[str, list[str]]:
        """The names as a checkpoint's description keeps them."""
        return {"sub_actions": list(self.sub_actions), "classes": list(self.classes)}


def measure_meaning(
    shapes: np.ndarray,
    distribution: np.ndarray,
    accumulated: np.ndarray,
    tokens: LabelledTokens,
    sub_actions: tuple[str, ...],
    classes: tuple[str, ...],
) -> CodeMeaning:
    """Counts the tokens of each code and says how sure its distribution is.

    confidence_j = max(0, 1 − H_j / ln K) · R_j / (R_j + 1), where H_j = −Σ_k p̄_jk ln q_jk is the mean cross-entropy of
    the soft labels p_n of the code's tokens with its distribution q_j, p̄_j their mean, and R_j the effective number of
    recordings. Where q_j = p̄_j, as in the accumulated map of a code with many tokens, the first factor is one minus
    the normalised entropy of q_j; a decoder that names one sub-action while the tokens say another is not sure. Tokens
    of one recording are much alike, so the second factor counts recordings: 0 without any, 1 / 2 for one.

    Args:
        shapes: `(J, channels of a token, samples)`.
        distribution: `(J, K)`, q.
        accumulated: `(J, K)`.
        tokens: Of the training split.
        sub_actions: Names, (K,).
        classes: Names, (classes,).
    """
    codes, count = distribution.shape
    p = tokens.p.astype(np.float64)
    used = np.bincount(tokens.code, minlength=codes)
    total = np.zeros((codes, count))
    np.add.at(total, tokens.code, p)
    surprise = -(total * np.log(np.maximum(distribution.astype(np.float64), 1e-12))).sum(1)
    entropy = np.bincount(tokens.code, -(p * np.log(np.maximum(p, 1e-300))).sum(1), minlength=codes)
    per_recording = _table(tokens.recording, tokens.code, (int(tokens.recording.max()) + 1, codes))
    recordings = used**2 / np.maximum((per_recording**2).sum(0), 1)
    tokens_of = np.maximum(used, 1)
    clarity = np.maximum(0.0, 1 - surprise / tokens_of / math.log(count))
    return CodeMeaning(
        shapes=shapes.astype(np.float32),
        distribution=distribution.astype(np.float32),
        accumulated=accumulated.astype(np.float32),
        class_tokens=_table(tokens.code, tokens.y, (codes, len(classes))),
        recordings=recordings.astype(np.float32),
        mean_kl=np.where(used > 0, (surprise - entropy) / tokens_of, np.nan).astype(np.float32),
        confidence=(clarity * recordings / (recordings + 1)).astype(np.float32),
        sub_actions=tuple(sub_actions),
        classes=tuple(classes),
    )


def _table(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How often each pair of row and column occurs, int64."""
    flat = np.bincount(rows.astype(np.int64) * shape[1] + columns, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.int64)


def load_code_meaning(path: Path) -> CodeMeaning:
    """Reads what the codes of a checkpoint mean.

    Args:
        path: A `model.safetensors`, of a trial or of a folder of `best/`.

    Raises:
        CheckpointError: The file is missing or damaged, or was written without the meaning of its codes.
    """
    try:
        with safe_open(path, framework="np") as file:
            stored = set(file.keys())
            missing = [name for name in TENSORS.values() if name not in stored]
            arrays = {field: file.get_tensor(name) for field, name in TENSORS.items() if name in stored}
            metadata: dict[str, Any] = json.loads((file.metadata() or {}).get("about", "{}"))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({error})") from None
    missing += [key for key in ("sub_actions", "classes") if key not in metadata]
    if missing:
        raise CheckpointError(f"{path}: lacks {', '.join(missing)}; train it again to get the meaning of its codes")
    return CodeMeaning(**arrays, sub_actions=tuple(metadata["sub_actions"]), classes=tuple(metadata["classes"]))


def write_codes(path: Path, meaning: CodeMeaning, owned: np.ndarray) -> None:
    """Writes the table for people: a row per code, its use, its confidence and its likeliest sub-actions.

    Those that the same classes own, by `owned (classes, K)`, are alternatives, "a | b", with one probability.
    """
    alternatives = Alternatives.of(meaning.sub_actions, owned)
    chosen, probability = alternatives.likeliest(meaning.distribution, SHOWN)
    shown = chosen.shape[-1]
    header = ["code", "tokens", "share", "recordings", "sureness", "stray"]
    for rank in range(1, shown + 1):
        header += [f"sub_action_{rank}", f"probability_{rank}"]
    rows = []
    for code in range(len(meaning.shapes)):
        row: list[object] = [code, int(meaning.tokens[code]), f"{meaning.share[code]:.4f}"]
        row += [f"{meaning.recordings[code]:.1f}", f"{meaning.confidence[code]:.3f}"]
        row.append("" if np.isnan(meaning.mean_kl[code]) else f"{meaning.mean_kl[code]:.3f}")
        for k, p in zip(chosen[code], probability[code], strict=True):
            row += [alternatives.names[k], f"{p:.3f}"]
        rows.append(row)
    write_table(path, header, rows)
