"""A causal language model that runs here, through transformers.

Owns its loading, the turning of a conversation into tokens (by the tokenizer's chat template where it has one), and
seeded sampling.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from model.extraction.backends import Answer, LanguageModelSetupError, Message, NoAnswerError
from model.hub_weights import PretrainedError, load_pretrained, quiet

NO_LIMIT = 1 << 20  # tokenizers without a limit name one of 1e30; no context is as long as this


class LocalLanguageModel:
    """Loads weights and samples from them, on the GPU where there is one.

    Args:
        model: A folder, or a name on the Hugging Face hub.
        temperature: 0 takes the likeliest token each time; None leaves it to the model's own generation settings.
        seed: Of the sampling; every answer starts from it anew.
        timeout_s: After this time an answer is given up.

    Raises:
        LanguageModelSetupError: The model is not there, or is not one that continues text.
    """

    def __init__(self, model: str, temperature: float | None = None, seed: int = 0, timeout_s: float = 300.0) -> None:
        self.model, self.temperature, self.seed, self.timeout_s = model, temperature, seed, timeout_s
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer, weights = load_pretrained(model, _tokenizer_and_model)
            self._weights = weights.to(device).eval()
        except PretrainedError as error:
            raise LanguageModelSetupError(f"--model: {error}") from error
        except torch.OutOfMemoryError as error:
            raise _too_large(model, device) from error

    def answer(self, conversation: Sequence[Message], schema: Mapping[str, Any]) -> Answer:
        """Answers the last message; the schema is not enforced. See `model.extraction.backends.LanguageModel`."""
        tokens = self._tokens(conversation).to(self._weights.device)
        read = tokens["input_ids"].shape[1]
        room = self._context() - read
        if room < 1:
            raise LanguageModelSetupError(
                f"--model: the request has {read} tokens and {self.model} reads {self._context()}: "
                "take a model with a longer context, or ask for fewer --phrases"
            )
        began = time.monotonic()
        try:
            written = self._generate(tokens, room)[read:]
        except torch.OutOfMemoryError as error:
            raise _too_large(self.model, self._weights.device.type) from error
        ended = len(written) > 0 and int(written[-1]) in self._end_tokens()
        if not ended and len(written) < room and time.monotonic() - began >= self.timeout_s:
            raise NoAnswerError(
                f"{self.model} did not end its answer within {self.timeout_s:g} s: give it longer with --timeout, "
                "or take a smaller model"
            )
        text = self._tokenizer.decode(written, skip_special_tokens=True)
        return Answer(text, "whole" if ended or len(written) < room else "cut")

    def about(self) -> dict[str, Any]:
        """Where the answers come from."""
        return {
            "model": self.model,
            "backend": "transformers",
            "base_url": None,
            "temperature": self.temperature,
            "seed": self.seed,
        }

    def _tokens(self, conversation: Sequence[Message]) -> Any:
        with quiet():  # the tokenizer warns of a long text, which is refused above
            if self._tokenizer.chat_template:
                messages = [{"role": message.role, "content": message.text} for message in conversation]
                return self._tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
                )
            text = "\n\n".join(f"{message.role}: {message.text}" for message in conversation)
            return self._tokenizer(f"{text}\n\nassistant:", return_tensors="pt")

    @torch.no_grad()
    def _generate(self, tokens: Any, room: int) -> torch.Tensor:
        sampling: dict[str, Any] = {"do_sample": self.temperature != 0}
        if self.temperature:
            sampling["temperature"] = self.temperature
        padding = self._tokenizer.pad_token_id
        if padding is None:
            padding = next(iter(self._end_tokens()), 0)
        devices = [0] if self._weights.device.type == "cuda" else []
        with torch.random.fork_rng(devices), quiet():
            torch.manual_seed(self.seed)
            return self._weights.generate(
                **tokens, **sampling, max_new_tokens=room, max_time=self.timeout_s, pad_token_id=padding
            )[0]

    def _context(self) -> int:
        """Tokens that the model reads and writes in all."""
        positions = getattr(self._weights.config.get_text_config(), "max_position_embeddings", NO_LIMIT)
        return min(positions, self._tokenizer.model_max_length, NO_LIMIT)

    def _end_tokens(self) -> set[int]:
        ends = self._weights.generation_config.eos_token_id
        ends = self._tokenizer.eos_token_id if ends is None else ends
        return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def _tokenizer_and_model(location: str, local: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Without the refusal transformers asks on the terminal whether to run code that comes with the weights.
    settings = {"local_files_only": local, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(location, **settings)
    loader: Any = AutoModelForCausalLM  # its types leave out that it answers a pair here
    weights, loading = loader.from_pretrained(location, output_loading_info=True, **settings)
    missing = sorted(loading["missing_keys"])
    if missing:
        # transformers would draw them at random: a text encoder loads that way, and then babbles.
        raise ValueError(f"weights are missing, such as {missing[0]}: it is no model that continues text")
    return tokenizer, weights


def _too_large(model: str, device: str) -> LanguageModelSetupError:
    return LanguageModelSetupError(f"--model: the memory of {device} is too small for {model}: take a smaller one")
