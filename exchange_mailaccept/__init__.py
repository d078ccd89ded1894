"""SMTP and Microsoft Exchange, as the plugin ``check_exchange_mailaccept`` needs them.

Walks the Mail Acceptance Test of Microsoft's Exchange Server Analyzer (connect, EHLO, MAIL, RCPT,
DATA, message) and says of each stage what happened and how long it took.  The package knows nothing
of Nagios: judging in states and printing is the plugin file's work.

Rules of the house: a module imports only from modules above it in the list of CONTRIBUTING.md, "How
it is built"; only ``sockets`` opens sockets, only ``mx`` knows dnspython; values that travel
are immutable.
"""

__version__ = "0.1.0"
