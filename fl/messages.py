"""What the two ends of a Flower message agree on: a reference to a round on the chain, never an array."""

from __future__ import annotations

ANNOUNCEMENT = "fedledger-announcement"
"""Key of a config record that stands for the base weights; its value is the announcement's id in hex."""

DELIVER = "fedledger-deliver"
"""Key of a config record that asks a site to submit and publish what is due; no app is called.

Such a message is a train message too: Flower hands a mod only messages that its app has a function for.
"""

RECEIPT = "fedledger-receipt"
"""Key of the config record in a site's reply: what it put, or will put, on the chain."""

EXAMPLES = "num-examples"
"""What Flower's apps and strategies call the number of examples behind an update, among its metrics."""

SERVER_ROUND = "server-round"
"""The setting in which Flower's strategies count their rounds, from 1; terms do not name it."""
