# ruff: noqa: E501  a wording is one line, and would be hard to read in pieces
"""How servers word the reasons; data.

One regular expression a line, of which one must be found in a reply.  The reply is searched in lower
case, with single blanks, without its enhanced code, and with ``x@y`` for each address.  It begins
with its code and stage, as in ``550@RCPT no such user``: so ``^4`` is for 4yz replies only and
``^...@MAIL`` for those to MAIL, where no recipient has been named.  Another word in capitals is one
of the parts.
"""

from __future__ import annotations

#: Parts of many wordings.
_PARTS = {
    # Names for a recipient.
    "WHO": (
        r"(?:users?|recipients?|mail ?(?:box(?:es)?|folder)|accounts?|alias(?:es)?|rcpt|addressees?|local[- ]part"
        r"|(?:e-?mail |recipient |destination )?address(?:es)?)"
    ),
    # An address, a name or punctuation in the middle.
    "GAP": r"(?:[\s:.,;'\"()=-]|<[^>]*>|\[[^\]]*\]|x@y)*",
    # Services that a server asks before it accepts.
    "ASKED": (
        r"(?:milter|filter|scann(?:er|ing)|anti-?virus|anti-?spam (?:daemon|engine|service|server)|clam\w*|amavis\w*|r?spamd|spamassassin"
        r"|policyd|policy (?:service|server|daemon)|ldap|(?<!or )directory|data ?base|mysql|postgres\w*|sql"
        r"|look-?up)"
    ),
    # Words for their failure.
    "FAILS": (
        r"(?:unavail|not avail|fail|error|time[d ]*out|\bdown\b|problem|busy|(?:no|not) respon|unreach|locked"
        r"|updating)"
    ),
    # Names for the server behind a gateway.
    "BEHIND": (
        r"\b(?:back ?end|downstream|(?:recipient's|receiving|destination|target|internal|next) "
        r"(?:mail )?(?:host|server|system|mta)|destination)"
    ),
    # Words for a failed connection.
    "BROKEN": r"(?:refused|time[d ]*out|fail|reset|lost|no route|unreachable)",
    # Names for a client.
    "CLIENT": r"\b(?:client|host|ip|your (?:server|network|address|mta)|sending mta)",
}

#: The keys of the reasons with their wordings, in the order of the search.  More exact wordings come
#: first, so a key may occur twice.
_WORDINGS = r"""
said-relaying:
    relay(?:ing)? (?:access )?(?:is )?(?:denied|prohibited|not permitted|not allowed|refused)
said-sender-verify:
    sender (?:e-?mail )?(?:address )?(?:verif|call-?(?:out|back))|verification failed (?:for|while)
    sender address rejected: un(?:verified|deliverable)
said-ehlo-name:
    \b(?:bad|invalid|fake|forged) (?:helo|ehlo)\b|\b(?:helo|ehlo)\b.{0,30}not match
    ^(?:501|504|55.)@EHLO .*\b(?:helo|ehlo)\b
said-sender-denied:
    sender\b.{0,20}\bdomain\b.{0,30}(?:not allowed|blocked|reject|refused|denied)
    \byour (?:domain|e-?mail address)\b.{0,20}(?:black|block|reject|denied)
said-error:
    server configuration (?:error|problem)
said-greylisting:
    gr[ae]y[- ]?list
    first time sender
    internal resources? (?:is |are )?temporarily unavailable
    (?:new|unknown) (?:sender|triplet)\b.*later
    ^450@RCPT service currently unavailable$
    ^4.*\b(?:policy|delivery|initial) delay|^4.*\bpolicy rejection\b.*later
said-resolver-failed:
    open resolver
    public(?:/open)? resolver
    (?:dns|list) (?:query|look-?up) (?:volume|limit|error)
    (?:list|dnsbl|rbl).{0,40}(?:shut ?down|no longer|defunct|ceased)
    (?<!\bip )(?<!reverse )\b(?:dns|name|mx) (?:server|service|look-?up|quer\w+)s? (?:reply|fail|error|problem|time[d ]*out|unavail)
    (?:temporary|temporarily).{0,30}(?:\bdns\b|name resolution|to resolve)
    dns temporar
    error (?:while )?resolving
    resolver (?:failure|error|timed? ?out)
    \bquer(?:y|ies) (?:is |are |was |were )?(?:refused|blocked|denied)|servfail|^4.*dns check fail
said-loop:
    \bloop(?:s|ing|ed)?\b|too many hops|hop count|too many received
said-filter-failed:
    ^4.*ASKED\b.{0,20}connection (?:was |is |has been )?BROKEN
    ^4.*connect\w*\b.{0,30}ASKED\b.{0,20}BROKEN|^4.*\bverif.{0,40}\b(?:ldap|directory)\b
said-next-hop:
    \b(?:connect(?:ing|ion)?|conversation|handshake)\b.{0,8} (?:to|with) \S+.{0,40}BROKEN
    lost connection with|communicating with (?:the )?(?:\w+ )?(?:host|server|destination)
    time[d -]*out\b.{0,12}\b(?:connecting|contacting|reaching)|time[d -]*out\b.{0,40}BEHIND
    next[- ]hop|socket error|\bfwd-connect|\b(?:upstream|backend)\b.{0,30}(?:error|BROKEN)
    (?:host|remote|server)\b.{0,50}unreachable
    BEHIND\b.{0,50}(?:unreachable|unavailable|not (?:reach|respond|available|ready)|is down)
    (?<!ldap )\bserver\b.{0,50}(?:not respond|is down)
    ^4.*(?:unable|can ?not|can't|could not|failed) (?:to )?(?:deliver|route)\b
    (?:unable|can ?not|can't|could not|failed) (?:to )?(?:proxy|forward)\b
    (?:unable|can ?not|can't|could not|failed) (?:to )?(?:connect|reach|establish|open)\b.{0,40}(?:host|backend|server|exchange)
    no (?:mail ?)?(?:host|server|backend|route)s? (?:is |are )?(?:available|found|to host)
    proxy session
    delivery temporarily suspended
said-verification:
    verif\w+ (?:is )?in progress
    unverified address:
    verif\w+ .{0,30}(?:pending|later)
    recipient verif\w*\b.{0,20}(?:call|error|fail|temp|time)
said-licence:
    licen[cs]e
    subscription (?:has )?(?:expired|ended|lapsed)
    (?:trial|evaluation)\b.{0,20}(?:expired|over\b|ended)
said-tls-required:
    must issue (?:an? )?starttls
    (?:tls|ssl(?:v\d)?|encrypt\w+)\b.{0,40}(?:required|needed|mandatory|enforced|necessary)
    (?:require|need|must use|demand|only accept|enforc)\w*\b.{0,40}(?:tls\b|ssl|encrypt|cipher)
    (?:plain ?text|unencrypted|insecure) (?:connection|session|smtp)s? (?:is |are )?(?:not|re)
    \bmust\b.{0,30}(?:tls\b|ssl|encrypt)|encryption (?:is )?too weak
    only encrypted|connection (?:is )?not (?:secure|encrypt)|secure connection
said-tls-unavailable:
    tls\b.{0,30}(?:not|un)[ -]?(?:currently )?(?:available|supported|enabled|configured)
    tls\b.{0,30}(?:not|un)[ -]?(?:currently )?(?:allowed|initiali[sz]ed|possible)
    (?:no|not) (?:support|offer)\w* (?:for )?(?:start)?tls
    tls (?:failed|failure|error|engine)
    certificate (?:not|could not|missing|error|expired)
    no (?:server )?certificate
said-listed:
    client\b.{0,60} blocked using
said-no-reverse-name:
    \bptr\b
    reverse[- ](?:dns|name|hostname|look-?up|address|mapping|record)
    \br-?dns\b|\bfcrdns\b
    (?:can ?not|can't|could not) (?:find|resolve|verify|look ?up|determine) your (?:host|name|ip)
    (?:can ?not|can't|could not) (?:find|resolve|verify|look ?up|determine) your address
    (?:unable|failed) to (?:find|resolve|verify|look ?up|determine) (?:your|client|the client)
    (?:name|host ?name) ?(?:look-?up|resolution) failed
    (?:dynamic|generic|residential|dial-?up)\b.{0,30}(?:\bip|dns|host|address|pool|name)
    unresolvable (?:relay )?(?:host|ip)
    \bip\b.{0,40}does not resolve|unverif\w+able
    no (?:valid )?(?:dns|host) ?(?:name|entry|record)
    host ?name mismatch|mismatches client
said-dmarc:
    \bdmarc\b
said-sender-id:
    sender[- ]?id\b
    \bpra\b.{0,20}(?:not|fail)|purported responsible
said-spf:
    \b(?:open)?spf\b|\bip for sending
    sender policy framework
    not (?:allowed|authori[sz]ed|permitted|designated) to send (?:e-?mail |mail )?(?:from|for)\b
    not (?:an? )?(?:authori[sz]ed|permitted|designated) (?:sender|source|host|server)
said-dkim:
    \bdkim\b|domain ?keys
    \barc\b (?:validation|seal)
    unauthenticated (?:e-?mail|message|sender|mail)
    (?:fail|not pass)\w* (?:\w+ )?authentication (?:check|require)
said-spoofed:
    spoof
    forged|impersonat|\bfaked? (?:sender|bounce)
    (?:local|own|internal) (?:domain|sender|address)\w*\b.{0,40}(?:outside|external|without)
    from (?:your|our|my) own domain
said-spam:
    \b(?:uri|url|link)s?\b.{0,40}(?:listed|black|block)|\bs?uribl\b|\bsurbl\b
    \b(?:message|mail)\b.{0,10}\bscored?\b.{0,20}\d|spam ?(?:/|or|and) ?virus|virus ?(?:/|or|and) ?spam
said-sender-listed:
    sender(?:'s)?(?: e-?mail)?(?: address| domain)?\b.{0,30}(?:black|block|deny)[- ]?list
    (?:black|block|deny)[- ]?listed sender|badmailfrom
    (?:from |mailfrom |sender |your )?domain (?:\S+ )?(?:is )?(?:black|block)?[- ]?listed
    \bdbl\b|\bsurbl\b|\buribl\b
said-sender-verify:
    verif\w* (?:of )?(?:the )?sender|^...@MESSAGE .*domain\b.{0,20}\bnot exist
    ^...@MAIL (?!.*\b(?:helo|ehlo)\b).*(?:(?:not|n't) (?:exist|found|resolve)|\bmx (?:or|records?)\b)
    domain (?:name )?(?:required|needed)|resolve fail|\bfrom\b.{0,20}not verified|dead domain
    sender.{0,20}(?:could not|can ?not|can't) be (?:verified|resolved)
    \b(?:sender|from|return|reverse-path)\b.{0,60}(?:not found|not exist|n't exist|not resolv)
    \b(?:sender|from|return|reverse-path)\b.{0,60}(?:unresolvable|must (?:exist|resolve))
    \b(?:sender|from|return|reverse-path)\b.{0,60}(?:unrouteable|no mx|null mx|non-?existent)
    sender (?:address|domain)\b.{0,60}(?:unknown|invalid|bogus)
    unroute?able (?:sender|address of sender)
    (?:invalid|unknown|non-?existent|bogus|bad|unresolvable) ?(?:sender|return|reverse|mail from)
    (?:empty|null|blank) (?:envelope )?(?:sender|return)
    \b(?:bogus|bad|valid) mx\b
    \bsender\b.{0,40}\b(?:mx|tld|unknown|invalid|empty)\b
said-account-off:
    \b(?:customer|tenant|service|domain|organi[sz]ation)\b.{0,30}\b(?:disabled|suspended)
    \b(?:customer|tenant|service|domain|organi[sz]ation)\b.{0,30}\b(?:deactivated|expired)
    \binbounds?\b.{0,30}\b(?:disabled|suspended|deactivated|switched off)
said-connections-of-client:
    ^(?=.*(?:connec|session|concurren|simultan|thread)).*(?:many|max|limit|exceed|concurren).{0,40}(?:from|per|by|for) (?:your|this|the same|each|one)\b
    ^(?=.*(?:connec|session|concurren|simultan|thread)).*(?:many|max|limit|exceed|concurren).{0,40}(?:from|per|by|for) (?:\[?\d+\.\d|ip\b|client|host)
    (?:connection|session)s? (?:from|per|by|for) \S+ (?:\w+ )?(?:exceed|limit)
    per[- ](?:ip|client|host|source) (?:\w+ )?(?:limit|connection)
said-too-fast:
    \brate\b.{0,30}(?:limit|exceed|control|too high|throttl|reached|prevents)
    (?:exceed|excessive|limit|maximum|too high)\w*\b.{0,40}\brate\b
    (?:excessive|unexpected|high) volume|\bfrequency\b|\bcount quota
    (?:batch|messages?|mails?|recipients?) limit (?:\w+ )?(?:reach|exceed)
    throttl|limit\b.{0,40}\bfrom your\b
    too (?:fast|frequent|often|quick)
    slow(?:er\b| down)
    too (?:many|much)\b.{0,50}(?:per|this|in (?:the|an?|one)|within|last) (?:\w+ )?hour
    too (?:many|much)\b.{0,50}(?:per|this|in (?:the|an?|one)|within|last) (?:\w+ )?(?:min|sec|day)
    (?:per|this|each) (?:hour|minute|second|day)\b
    (?:hourly|daily) (?:\w+ )?(?:limit|quota|max)
    too (?:many|much) (?:messages|mails?|e-?mails?|recipients|requests|errors|attempts|failures|commands)
    too many (?:invalid|bad|unknown|wrong) (?:recipients|users|addresses|commands)
    flood
said-too-many-connections:
    (?:too many|maximum|max\.?|zu viele|trop de)\b.{0,50}(?:connection|connexion|session|client)s?
    (?:exceed|limit|concurren|simultaneous)\w*\b.{0,50}(?:connection|session|thread)s?
    (?:connection|session|concurrency)s? (?:count |number )?(?:limit|exceeded)
said-filter-failed:
    service (?:currently |temporarily |is )*unavailable - try again later
    ASKED\b.{0,40}FAILS
    milter\b.{0,20}again
    (?:unable|can ?not|can't|could not|failed) (?:to )?(?:check|scan|query|contact|connect|reach)\b
    ^4.*(?:unable|can ?not|can't|could not|failed) (?:to )?verify\b
    (?:temporary|temp|transient)\b.{0,12}(?:look-?up|configuration|policy|resource|directory|filter|scan)\b
said-greylisting:
    (?:try|come|retry|wait)(?: again| back)?(?: in| after| for)? \d+ ?(?:s|sec|seconds|min|minutes)\b
said-line-ends:
    (?:bare|stray|naked|lone|isolated) ?<?(?:lf|cr|line ?feeds?|carriage|newline)
    line ?feeds?\b|line end|smtplf
said-virus:
    virus|malware|infected|trojan|phish|malicious|security (?:issue|threat|risk)
    (?:illegal|forbidden|banned|executable|dangerous) (?:attachment|file|content type)
    attachments? (?:\w+ )?(?:is |are )?(?:forbidden|not allowed|blocked|banned|prohibited)
said-listed:
    (?:black|block|deny|ban)[- _]?list|blackliste
    open relay found|open proxy
    \brbls?\b|\bdns-?[bw]ls?\b|\bpbl\b|\bxbl\b|\bsbl\b|\bcbl\b
    blocked (?:using|at|on|via) \S
    (?:listed|found) (?:in|on|at|by) (?:the |an? )?\S*(?:\.|list|rbl|\bbl)
    \b(?:address|ip|host|client|network)\b.{0,40}\blisted (?:in|on|at|by)\b
    spamhaus|spamcop|\bsorbs\b|uceprotect|barracudacentral|invaluement|ivmsip|abuseat
    senderbase|cloudmark|mailspike
said-reputation:
    reputation|\boriginating from your
    (?:poor|bad|low) (?:sender |ip )?(?:score|rating)|sender ?score|trustedsource
    \buntrusted\b|not trusted|\bkarma\b
    suspicious
said-relaying:
    \brelay(?:ing)?\b.{0,60}(?:denied|\bnot\b|prohibit|refus|reject|disallow|forbidden|without)
    \brelay(?:ing)?\b.{0,60}(?:\bonly|deny|restrict|disabled|unauthori)
    (?:\bnot|n't|\bno|unable|refus|deny|prohibit|denied|cannot|disallow)\w*\b.{0,60}\brelay
    \buse (?:me|us|this \w+)\b.{0,80}relay
    rcpthosts|domain\b.{0,20}not signed up
    (?:non-?local|remote|foreign|external) (?:recipient|address|domain|e-?mail|user)
    domain\b.{0,50}(?:not|n't) (?:\w+ )?(?:handled|hosted|served|accepted|local|configured|here)
    domain\b.{0,50}(?:not|n't) (?:\w+ )?(?:serviced|known|ours|defined|managed|allowed|exist|found)
    domain\b.{0,50}(?:not|n't) (?:in (?:my|our|the) |on (?:my|our|the) |a |one of )
    \bno[-_ ](?:such[-_ ])?domain\b
    (?:unknown|invalid|unregistered|unrecogni[sz]ed|bad) (?:local |recipient |destination )?domain\b(?! name)
    not (?:an? |the )?(?:gateway|mx|mail exchanger|mail host) for|not local host|null mx
    no valid domain|local users? only|\b(?:host|domain) (?:is )?unknown|unroute?able (?:\w+ )?domain
    (?:not|n't) (?:allowed|permitted|accepted) (?:to|for) (?:this|that) domain
    (?:does|do)(?: not|n't) (?:handle|host|serve|know|accept)\b.{0,30}domain|not an? (?:local|known|valid) domain
said-ehlo-name:
    \b(?:helo|ehlo)\b.{0,60}(?:reject|invalid|bad\b|bogus|must|need|refus|fqdn|qualified)
    \b(?:helo|ehlo)\b.{0,60}(?:syntax|forged|spoof|mismatch|denied|illegal|malformed|unaccept)
    \b(?:helo|ehlo)\b.{0,60}(?:unresolv|violat|error|fail|\bnot\b)
    (?:invalid|bad|bogus|illegal|incorrect|fake|forged|malformed)\b.{0,20}\b(?:helo|ehlo)
    (?:improper|wrong|unqualified|unacceptable)\b.{0,20}\b(?:helo|ehlo)
    fully[- ]qualified (?:host|domain)
    (?:you are|you're) not (?:me\b|\S+)$|pretend to be|my own (?:host ?)?name
    (?:need|require)s? (?:an? )?fqdn
said-logon:
    (?:authenticat\w+|\bauth|log ?[io]n)\b.{0,30}(?:required|needed|necessary|first|mandatory)
    (?:must|need to|have to|please|require\w*)\b.{0,40}(?:authenticat|log ?[io]n|sign in|\bauth\b)
    not (?:logged|signed) (?:in|on)|(?:client|session|user) (?:was |is )?not authenticated
    (?:pop|imap)[- ]before[- ]smtp
said-mailbox-full:
    WHO\b.{0,60}(?:\bfull\b|over (?:\w+ )?quota|out of (?:space|storage))
    WHO\b.{0,60}exceed\w*\b.{0,30}(?:quota|storage|space|size)
    (?:over|exceed\w*|above|out of) (?:\w+ ){0,3}quota
    quota (?:\w+ )?(?:exceed|full|reach|violat|used)
    full mail ?box|maildir|mail ?box\b.{0,20}\blimit|space\b.{0,20}used up
    (?:not enough|insufficient) (?:storage|space).{0,20}(?:mailbox|user|\bfor\b)
    exceeded storage allocation
    \b(?:llen[ao]|piena|cheia|pleine?|voll|vol)\b
said-size:
    (?:message|mail|data|content|header)\b(?! line).{0,40}too (?:large|big|long)
    (?:message|mail|data|content|header)\b.{0,40}exceeds?\b.{0,40}(?:size|limit|maximum|length)
    (?:message|mail|data|content|header)\b.{0,40}size (?:limit )?exceed
    (?:exceed\w*|maximum|over|max)\b.{0,30}(?:message|mail) ?size
    size (?:limit|exceeds|too)|\b(?:taille|gr..?sse|tama\S+o)\b.{0,20}(?:limit|message|mensaje|nachricht)
said-storage:
    (?:insufficient|not enough|\bno|low|out of|lack of|ran out of|short of)\b.{0,20}(?:storage|disk|space|memory)
    (?:insufficient|not enough|\bno|low|out of|lack of|ran out of)\b.{0,20}(?:resources|inodes)
    (?:disk|space|file system|mail system|spool|queue|memory|storage|resources)\b.{0,30}(?:\bfull\b|exhausted|\blow\b|shortage)
    memory (?:limit|threshold)
said-busy:
    overload|load (?:\w+ )?(?:too )?high|load average|(?:too much|high) load|ports are busy|too busy
    (?:server|system|service) (?:is )?(?:\w+ )?busy
    resources? (?:is |are )?(?:temporarily |currently )*(?:unavailable|not available)
    (?:unable|can ?not|can't|could not) (?:to )?process (?:\w+ )?connection
said-recipient-unavailable:
    WHOGAP(?:(?:is|are|was|has|been|currently|temporarily) )*(?:temporar|busy|\block|unavail|not avail|disabled|inactive|suspended|deferred)
said-no-recipient:
    no (?:such|valid|matching|known) (?:\w+ )?WHO|no (?:such )?person
    no (?:mailbox|account|user|one|alias)\b.{0,20}(?:here|by that|at this|found)
    (?:unknown|invalid|non-?existent|inactive|bad|wrong|inexistent) (?:\w+ )?(?:\w+ )?WHO
    (?:archived|disabled|deactivated|suspended) WHO|n't have an? (?:\S+ )?WHO
    ^5.*(?:can ?not|can't|unable to) deliver (?:mail|messages?) (?:for|to)
    (?:undeliverable|unrouteable) (?:recipient )?address
    WHOGAP(?:\S+ )?(?:(?:is|are|was|has|been|marked|as|currently) )*(?:unknown|invalid|unavailable|not available|missing)
    WHOGAP(?:\S+ )?(?:(?:is|are|was|has|been|currently) )*(?:inactive|disabled|closed|locked|ambiguous)
    WHOGAP(?:\S+ )?(?:(?:is|are|was|has|been|currently) )*(?:suspend|expired|deactivated)
    WHO\b.{0,60} (?:is|are|was|has been) (?:disabled|suspended|inactive|locked|closed)
    WHOGAP(?:\S+ )?(?:(?:is|are|was) )*(?:non-?exist|obsolete|undeliverable|unrouteable)
    WHOGAP.{0,60}(?:\bnot\b|n't)(?: \w+)? ?(?:found|exist|known|valid|here|present|listed)
    WHOGAP.{0,60}(?:\bnot\b|n't)(?: \w+)? ?(?:recogni[sz]ed|active|local|registered)
    WHOGAP.{0,60}(?:\bnot\b|n't) (?:in|on) (?:the |our |my |this )?(?:\w+ )?(?:dir|list|table)
    (?:not|n't) (?:in|on|an?) (?:our |the |my |valid |known |active )*WHO\b|x@y\W* not listed
    marked as invalid|recipnotfound|recipientnotfound|mailbox unavailable
    \brecipient rejected|xgemail_0011|(?:account|user|recipient|mailbox)[-_]not[-_]found
    (?:WHO|x@y)GAP(?:\S+ )?(?:(?:is|are|does|was|has|been|currently) )*(?:no longer|not accept|moved|expired|past)
    inactivity|can ?not be verified|call-?(?:out|back)\b.{0,20}fail
    unrouteable address|unbekannt|existiert (?:hier )?nicht|nicht gefunden|inconnu|desconocid|desconhecid|sconosciut
    \be-?mail\b.{0,20}\bnot exist|n'existe|n.o existe|no existe|non esiste|inesistente|nie istnieje|bestaat niet|finn[es]s i
    nieznany|onbekend|ok\xe4nd|adresse (?:e-?mail )?invalide
said-client-refused:
    ^554@BANNER .*esmtp not accepting
said-shutting-down:
    queue\b.{0,20}stopped
    shut(?:ting)? ?down|maintenance|being (?:stopped|restarted)|going down
    re-?start(?:ing|ed)|re-?boot|out of service|offline|stand-?by|not in service
    not (?:currently |presently |now )?accept\w*\b.{0,20}(?:message|connection|mail)s?\b(?! (?:from|with|for|to|that|containing))
    (?:system|service|server|daemon) (?:is )?(?:currently |temporarily )*not (?:available|active|running)
    (?:system|service|server) (?:is )?(?:currently |temporarily )*(?:inactive|disabled|stopped)
    (?:system|service|server) (?:is )?(?:currently |temporarily )+unavailable
    (?:system|service|server) (?:is )?(?:currently |temporarily )*(?:paused|not (?:ready|accept))
said-sender-denied:
    \bsender\b.{0,50}(?:reject|denied|refused|blocked|banned)
    \bsender\b.{0,50}not (?:allowed|accepted|permitted|authori[sz]ed|approved)
    (?:reject|refus|block|deny|denied)\w* (?:mail |message |e-?mail )?(?:from )?(?:this |your )?sender
    (?:don't|not) accept\w* (?:mail |messages |e-?mail )?from (?:this |your |the )?sender
    (?:mail|messages?) from:? ?\S*@\S*.{0,40}(?:reject|denied|refused|blocked|not (?:allowed|accept|permitted|welcome))
    \bbatv\b|backscatter|third-party dsn|senderfilter|not owned by|^5..@MAIL \W*x@y
    envelope (?:blocked|rejected)|spam sender|\bsender\b.{0,15}(?:\bspam|not white)
    \bfrom\b.{0,20}must (?:be (?:the )?same|match|equal)
said-malformed:
    \brfc ?(?:5322|2822|822)\b
said-spam:
    \bspam|\bube\b|\buce\b|unsolicited|\bbulk\b|junk
    (?:mail|message|content)s? (?:was |has been |is )?(?:reject|refus|block|denied)\w* .{0,30}content
    (?:mail|message|content)s? (?:was |has been |is )?filtered
    content (?:was |is )?(?:reject|filter|not|denied|block|violat)|banned content
    unacceptable content|content filter|blocked because it|content (?:\w+ )?policy|pattern detection
said-malformed:
    rfc compliant|header error|illegal char|bad.header|(?:date|from|subject)\W{0,2} field
    (?:missing|\bno|invalid|multiple|malformed|duplicate|bad|several|more than one)\b.{0,30}\bheader
    header\b.{0,40}(?:missing|invalid|malformed|not accept|illegal|syntax|empty|address)
    without (?:an? )?(?:to|cc|from|date|subject)\b
    (?:multiple|several|more than one) from\b|message-?id\b|8-?bit|\bnul char|\beight.bit|line (?:length|limit)|lines? (?:is |are )?too long
said-client-refused:
    connection\b.{0,60}(?:reject|block|denied|banned|forbidden|not (?:allowed|permitted|authori[sz]ed|accepted|welcome))
    ^(?:5|421).*connection\b.{0,60}refused|connection refused (?:by|due|from|because|for)\b
    CLIENT\b.{0,60}(?:reject|block|denied|banned|refused|forbidden)
    CLIENT\b.{0,60}not (?:allowed|permitted|authori[sz]ed|accepted|welcome)
    (?:reject|refus|block|deny|denied|ban)\w*\b.{0,50}(?:client|\bip\b|your (?:host|address))
    (?:reject|refus|block|deny|denied|ban)\w*\b.{0,50}(?:your (?:network|server)|geograph|countr)
    your access\b.{0,80}(?:rejected|denied|blocked)
    (?:you are|you're|you have been) not (?:allowed|permitted|authori[sz]ed|welcome)\b(?! to send to)
    (?:you are|you're|you have been) (?:blocked|banned|rejected|denied)(?! by (?:the )?(?:recipient|user))
    (?:mail|messages?|traffic|connections?) from [^\s@]+.{0,30}(?:block|reject|denied|refused|deferred|not (?:allow|accept|permit))
    not (?:\w+ )?accept\w* (?:mail|messages|traffic|connections) from
    go away|policy reject|anti-?spam|\bspam|:blocked\b
    (?:blocked|rejected|denied|refused)\b.{0,10}(?:abuse|\bsee\b|visit|contact)
    geo-?(?:ip|location|block)|country
    action (?:aborted|not taken) \[?\d
    temporarily blocked|blocked temporarily|temporarily deferred\b.{0,60}(?:complaint|volume|abuse)
    ^\S+ sender\b.{0,30}(?:block|reject|denied|refused)
    \bno access from|\b(?:bad|invalid) (?:sender )?ip\b|\byour (?:isp|provider)\b
    not in (?:the |our )?(?:white|allow|approved)[- ]?(?:list)?|not (?:white|allow)[- ]?listed
    (?:block|reject|refus|denied|ban)\w*\b.{0,20}\[?\d+\.\d+\.\d+\.\d+
    \bip\b\W{0,3}\d+\.\d+\.\d+\.\d+
    ^5..@BANNER .*(?:reject|denied|refus|block|forbid)|^5..@BANNER .*\b\d{1,3}(?:\.\d{1,3}){3}\b
said-error:
    (?:temporary|transient|temporarily)\b.{0,20}(?:error|failure|problem)
    (?:server|system) config\w* (?:problem|error)|misconfigur|local (?:\w+ )?(?:error|problem)
    internal (?:\w+ )?(?:error|failure|problem)
    (?:unable|can ?not|can't|could not) (?:to )?process
    (?:software|program|unexpected|system|processing) (?:error|failure)|queue file write error
    error (?:in processing|writing|reading|opening|sending)|^4.*(?:can|could) ?not (?:load|open|read|write)|plugin timeout
    (?:unable|can ?not|could not|failed) (?:to )?(?:queue|store|save|spool)|\bqueue error
    temporarily (?:deferred|rejected|refused)|\bserver error
said-filter-failed:
    ^4.*\bASKED
said-recipient-restricted:
    WHOGAP(?:\S+ )?(?:(?:address|is|was|has|been) )*(?:reject|denied|refus|restrict|block)
    WHOGAP(?:\S+ )?(?:(?:address|is|was) )*not (?:allowed|accept|permitted|authori[sz]ed)
    badrcptto|not (?:allowed|permitted|authori[sz]ed) to (?:send|mail|post)
    members?[- ]only|non-?members?|closed (?:mailing )?list|only accept|accepts? (?:\w+ )?only
    (?:block|reject|refus)\w* by (?:the )?(?:recipient|user|destination)
said-denied:
    (?:access|permission) (?:is )?denied|(?:command|request) (?:is |was )?(?:rejected|refused|denied)|not authori[sz]ed|not permitted|forbidden|prohibited
    polic(?:y|ies)\b|administrative\w* prohibit
    (?:mail|message)s? (?:is |was |has been )?(?:reject|refus|block|denied|not (?:accept|allow|permit))
said-tls-unavailable:
    ^4..@STARTTLS
said-try-later:
    later|again|temporar
"""


def _searched() -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in _WORDINGS.strip().splitlines():
        if line.startswith("said-"):
            found.append((line.rstrip(":"), []))
            continue
        for name, part in _PARTS.items():
            line = line.replace(name, part)
        found[-1][1].append(line.strip())
    return found


#: The same, with separate regular expressions.
SEARCHED = _searched()
