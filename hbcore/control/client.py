"""All that a window needs to talk to a node, in one import: connect once, or keep a Session.

Owns nothing: it names what connection, session, target and wire offer. hbtui and screens know this and `schema` only.
"""

from hbcore.control.connection import Client, EventSeen, Note, Snapshot, connect
from hbcore.control.errors import ControlError
from hbcore.control.session import Connected, Lost, News, Session
from hbcore.control.target import Target, parse, parse_host
from hbcore.control.wire import Ask, Question

__all__ = [
    "Ask",
    "Client",
    "Connected",
    "ControlError",
    "EventSeen",
    "Lost",
    "News",
    "Note",
    "Question",
    "Session",
    "Snapshot",
    "Target",
    "connect",
    "parse",
    "parse_host",
]
