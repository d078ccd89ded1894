"""The command line: words to checked values, before the first packet.

``table`` lists every option, ``words`` says what a value may be, ``parser`` reads ``argv``
against the table and reports every mistake, ``checks`` says what options mean for one another,
``ini_file`` reads ``--extra-opts`` and ``help`` writes ``--help``.  It imports only ``record
names dates vocabulary``: no module here may take long to import, because the first packet waits
for it.
"""
