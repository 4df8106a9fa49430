"""What the two ends of a Flower message agree on: a reference to the chain or the store, never an array."""

from __future__ import annotations

ANNOUNCEMENT = "fedledger-announcement"
"""Key of a config record that stands for the base weights; its value is the announcement's id in hex."""

WEIGHTS = "fedledger-weights"
"""Key of a config record that stands for the weights to evaluate; its value is their reference as JSON."""

CLOSED = "fedledger-closed"
"""Key of a config record that stands for the weights that a round makes; its value is the round's number.

Such a message can be sent before the round has closed: a site that has submitted waits a little for it.
"""

DELIVER = "fedledger-deliver"
"""Key of a config record that asks a site to submit and publish what is due; no app is called.

Such a message has the type of the app's train messages: Flower hands a mod only messages that its app has a
function for.
"""

INTRODUCE = "fedledger-introduce"
"""Key of a config record that asks a node whose it is, and of the one that answers; no app is called.

The answer has the trainer's address as `trainer`, and as `signature` what it signed of run and node.
"""

MARKED = (DELIVER, INTRODUCE)
"""Keys of messages that a site answers without calling its app."""

RECEIPT = "fedledger-receipt"
"""Key of the config record in a site's reply: what it put, or will put, on the chain."""

PUBLISHED = "published"
"""Whether that receipt is published already: its site need not be asked to deliver it."""

EXAMPLES = "num-examples"
"""What Flower's apps and strategies call the number of examples behind an update, unless told otherwise."""

WEIGHTED_BY = "weighted_by_key"
"""The rule's argument in the terms that names another metric than that."""

SERVER_ROUND = "server-round"
"""The setting in which Flower's strategies count their rounds, from 1; terms do not name it."""
