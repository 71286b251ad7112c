"""A call that is wrong."""


class Refused(Exception):
    """The call is wrong; the message is one sentence."""
