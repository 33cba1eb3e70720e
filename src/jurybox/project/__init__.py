"""A stored project: texts in, tasks out, labels in, rounds, results.

`Project` is the one door to a stored project for the command line, the web app and the learner.
"""

from jurybox.project.facade import Project

__all__ = ["Project"]
