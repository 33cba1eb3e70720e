"""Machines that answer: language models and rules, what they are asked, and what is made of their answers.

Nothing here knows a store. What people's labels say of the answers is `jurybox.classifiers.panel`.
"""

from jurybox.machines.records import (
    Keywords,
    LanguageModel,
    MachineAnswer,
    MachineSpec,
    Patterns,
    Price,
    PythonFunction,
)

__all__ = ["Keywords", "LanguageModel", "MachineAnswer", "MachineSpec", "Patterns", "Price", "PythonFunction"]
