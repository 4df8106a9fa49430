"""What each accepted update was worth, who is let into the aggregate, and what share that makes.

One round's updates play a cooperative game. The model of a coalition is the examples-weighted mean of all
updates, in which whoever is not in it stands still, whatever the aggregation rule; its utility is an integer
in millionths. The table of all utilities used is stored, and values follow from it by exact arithmetic.
"""

from aggregator.scoring.costs import demand_affordable, least_evaluations
from aggregator.scoring.game import Game, coalition
from aggregator.scoring.score import Scored, score
from aggregator.scoring.shares import guarded, in_proportion, shares
from aggregator.scoring.table import Table, decode_table, encode_table

__all__ = [
    "Game",
    "Scored",
    "Table",
    "coalition",
    "decode_table",
    "demand_affordable",
    "encode_table",
    "guarded",
    "in_proportion",
    "least_evaluations",
    "score",
    "shares",
]
