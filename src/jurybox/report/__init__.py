"""Charts of what happened, and a report in one file, drawn without a browser or a network."""

from jurybox.report.facts import Facts, gather, gather_section
from jurybox.report.page import write_report

__all__ = ["Facts", "gather", "gather_section", "write_report"]
