"""The facade's verbs for whatever they are given: they look at the arguments and pass them to the room that understands them."""
