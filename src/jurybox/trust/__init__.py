"""Trust: who is reliable, which labels are wrong, how good the whole is, and when to stop."""

from jurybox.trust.annotators import assess_annotators, pairwise_agreement
from jurybox.trust.coefficients import estimate_agreement
from jurybox.trust.estimates import audit_evidence, estimate_from_audit, estimate_of_consensus
from jurybox.trust.forecast import forecast
from jurybox.trust.intervals import Interval
from jurybox.trust.labels import contested_texts, guideline_problems, label_errors
from jurybox.trust.observed import Observed
from jurybox.trust.posterior import draw_posterior
from jurybox.trust.savings import estimate_savings
from jurybox.trust.stopping import evaluate_rules, rules_for
from jurybox.trust.suspects import find_suspects

__all__ = [
    "Interval",
    "Observed",
    "assess_annotators",
    "audit_evidence",
    "contested_texts",
    "draw_posterior",
    "estimate_agreement",
    "estimate_from_audit",
    "estimate_of_consensus",
    "estimate_savings",
    "evaluate_rules",
    "find_suspects",
    "forecast",
    "guideline_problems",
    "label_errors",
    "pairwise_agreement",
    "rules_for",
]
