"""Mail acceptance of Exchange servers, as the plugin ``check_exchange_mailaccept`` tests it.

It runs the Mail Acceptance Test of Microsoft's Exchange Server Analyzer (connect, EHLO, MAIL,
RCPT, DATA, message), and reports the result and the seconds of each stage.

The import rule: a module imports only from its own room and from those further up in this list.

1. ``record names vocabulary``: values, syntax and words that all rooms share
2. ``cli``: turns the words of the command line into checked values
3. ``protocol``: SMTP and DNS as bytes, values and generators
4. ``exchange``: knowledge of Exchange; and ``net``: sockets; neither imports the other
5. ``run``: one server, one after another, or all of a domain at once
6. ``policies``: DANE and MTA-STS, as senders that enforce them judge
7. ``options``: what the user asked for
8. ``judgement``, then ``further_judgement``, then ``report``: states and words
9. ``plugin``: the check of nagiosplugin; then ``launch``: how a run begins and ends

``tests/test_house.py`` tests it, and what is reserved for one module or room: sockets and ``ssl``
for ``net``, dnspython for ``protocol.dns_message``, nagiosplugin for ``plugin``.  Values that
travel are immutable.
"""

__version__ = "1.0.0"
