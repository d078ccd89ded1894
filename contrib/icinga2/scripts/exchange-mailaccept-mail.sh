#!/bin/sh
# Mails a notification of Icinga 2; NotificationCommand "exchange-mailaccept-mail" runs it.
#
# The subject is the plugin's first line, the text all of its lines: what failed in the server's
# words, what it means, what to do next.  Everything comes through the environment, see there.
set -eu

# A header ends at its line end, whoever wrote the text; and one that is not ASCII would make Postfix
# insist on a relay that knows SMTPUTF8, or else send the page back.  The text below has it all.
one_line() {
    printf '%s' "$1" | tr '\r\n\t' '   ' | LC_ALL=C tr -c ' -~' '?' | cut -c 1-"$2"
}

first=$(printf '%s\n' "$SERVICE_OUTPUT" | sed -n 1p)

{
    printf 'From: %s\n' "$(one_line "$MAIL_FROM" 200)"
    printf 'To: %s\n' "$(one_line "$MAIL_TO" 900)"
    printf 'Subject: %s: %s on %s: %s\n' "$NOTIFICATION_TYPE" \
        "$(one_line "$SERVICE_NAME" 80)" "$(one_line "$HOST_NAME" 80)" "$(one_line "$first" 300)"
    printf 'Auto-Submitted: auto-generated\n'
    printf 'MIME-Version: 1.0\n'
    printf 'Content-Type: text/plain; charset=utf-8\n'
    printf 'Content-Transfer-Encoding: 8bit\n'
    printf '\n'
    printf '%s\n\n' "$SERVICE_OUTPUT"
    printf 'Service: %s\nHost:    %s\nState:   %s\nWhen:    %s\n' \
        "$SERVICE_NAME" "$HOST_NAME" "$SERVICE_STATE" "$LONG_DATE_TIME"
    # Where it was tested from decides whom a Receive connector sees.
    printf 'Tested:  from %s\n' "${CHECK_SOURCE:-?}"
    if [ -n "${NOTIFICATION_COMMENT-}" ]; then
        printf '\n%s: %s\n' "$NOTIFICATION_AUTHOR" "$NOTIFICATION_COMMENT"
    fi
} | "${EXCHANGE_MAILACCEPT_SENDMAIL:-/usr/sbin/sendmail}" -i -t
