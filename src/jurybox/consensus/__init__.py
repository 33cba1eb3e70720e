"""From several annotators' labels to one label per text, with its quality."""

from jurybox.consensus.crowdlab import CrowdlabConsensus, crowdlab
from jurybox.consensus.dawid_skene import Smoothing, dawid_skene
from jurybox.consensus.estimate import EstimatedConsensus, draw_consensus, estimate_consensus
from jurybox.consensus.majority import majority_vote
from jurybox.consensus.opinions import Opinions, estimate_opinions
from jurybox.consensus.result import AnnotatorStats, Consensus
from jurybox.consensus.several import estimate_answers

__all__ = [
    "AnnotatorStats",
    "Consensus",
    "CrowdlabConsensus",
    "EstimatedConsensus",
    "Opinions",
    "Smoothing",
    "crowdlab",
    "dawid_skene",
    "draw_consensus",
    "estimate_answers",
    "estimate_consensus",
    "estimate_opinions",
    "majority_vote",
]
