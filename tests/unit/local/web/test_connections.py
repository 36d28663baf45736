"""A connection may be closed by the thread that reads while another one answers."""

from waitress.channel import HTTPChannel

from local.web.connections import Channel


def test_a_connection_that_is_closed_during_its_last_response_is_no_error(monkeypatch):
    monkeypatch.setattr(HTTPChannel, "service", lambda channel: setattr(channel, "socket", None))
    channel = object.__new__(Channel)
    channel.requests, channel.total_outbufs_len = [], 0
    channel._draining_since = None
    channel.drain()
    channel.service()
