"""
This module holds the rules for what this product says itself, and for failures without a code of their own.
"""

from __future__ import annotations

from flows.error_catalogue.rules import Rule, read

# fmt: off
CODES = read("integrator", """
timeout network unavailable unreachable | transient | retry | auto | The other system could not answer in time. | {wait}
budget | transient | retry | auto | The share of the other system's limit was used up at that moment. | {wait}
unanswered | conflict | check_state | human | It may have been done: the answer was lost. | Look in the other system whether it was done, then retry or discard.
resting | rate_limit | rest | auto | The connection rests. | It goes on by itself when the connection does.
paused needs_credentials | rate_limit | resume | human | Somebody has paused the connection, or it waits for a credential. | Resume the connection, or enter the credential; then it goes on by itself.
another_account another_mode another_org untested address | auth | mend_login | human | The credential leads elsewhere than this connection is for. | Test the connection and follow what it says.
HTTP_413 HTTP_414 HTTP_431 | too_large | report | human | The call was larger than something on the way to the other system allows. | Report this to your administrator: a proxy limits the size of requests.

required_empty | data | give_default | approve | {field} must have a value, and the event has none. | Give {field} a default in the mapping, or let it be skipped when empty.
unseen_value | data | map_value | approve | The value map of {field} does not know this value. | Add the value to the value map of {field}.
unknown_currency | data | correct_amount | human | The currency is not in the table, so its decimals are not known. They are never assumed. | Check the currency that {field} is read with. If it is a real one, update Integrator.
not_a_number | data | change_mapping | approve | {field} is mapped from something that is not a whole number. | Choose another source for {field}, or another chip.
out_of_range_date | data | change_mapping | approve | The time lies outside of what Salesforce can store. | Choose another source for {field}.
too_long | data | cut_text | approve | The text is longer than the mapping of {field} allows. | Let the mapping cut the text of {field}, or raise its length.
not_a_boolean | data | change_mapping | approve | {field} is mapped from something that is neither true nor false. | Choose another source for {field}, or a value map.
not_a_value | data | change_mapping | approve | {field} is mapped from a whole object or list. | Choose one of the values inside of it.
UNWRITABLE_VALUE | data | change_mapping | approve | {field} is mapped to a value that cannot be sent. | Choose another source for {field}, or another chip.
no_value | data | change_mapping | approve | An expression reads a path that has no value in this event. | Let the expression of {field} say what holds then, such as charge.?description.orValue("").
wrong_type | data | change_mapping | approve | An expression works with values of another type than those of this event. | Correct the expression of {field}, or let it ask for the type first.
expression_failed | data | change_mapping | approve | The expression of {field} cannot be worked out for this event. | Read the message and correct the expression.
too_costly | too_large | change_mapping | approve | The expression of {field} would take too long with the values of this event, or become too large. | Let the expression read less, or use chips.
no_id | missing_ref | mend_flow | human | The step found no id where its setting {field} says. | Choose another path for {field}, or let the flow go another way where there is no id.
not_a_list | data | mend_flow | human | {field} is read from something that is not a list. | Choose another path for {field}.
not_a_choice | data | map_value | approve | Stripe takes certain words for {field}, and this is none of them. | Choose another path for {field}, or change the value by a value map.
not_a_time | data | change_mapping | approve | {field} is read from something that is no time. | Choose another path for {field}.
metadata_limit | data | change_mapping | approve | Stripe would refuse the metadata: it has too many keys, or a key or a value that it does not take. | Shorten what {field} is given, or give less.
too_many_in_a_write | too_large | mend_flow | human | The list has more elements than Stripe takes at once. | Let the flow go another way for long lists.
too_many | too_large | mend_flow | human | The list has more elements than the step allows. | Raise the limit of the step, or let the flow go another way for long lists.
several_found | duplicate | choose_record | human | Several records fit the query. | Let the query say which of them is meant, or let a person choose.
queue_too_long | too_large | mend_flow | human | More runs come to the step than it lets through, and the queue has become too long. | Let it pass more, or let those beyond go another way, then retry what waits here.
too_late | data | mend_flow | human | The time until which the run should wait has passed already. | Choose another time for {field}, or let the flow go on at once or another way then.
too_far | data | mend_flow | human | The time lies further ahead than a run may wait. | Choose another time for {field}.
no_external_id no_key | data | mend_flow | human | The record has no external id, so it could be written twice. | Map {field} from an id that every event of this flow has.
not_read | missing_ref | check_state | human | The object could not be read and the event has no copy of it. | Check in Stripe whether it was deleted. If so, discard this run.
unreadable | data | check_state | human | The event cannot be read. | The body is kept as it came. Look at what was sent, then discard it.
sealed | auth | report | human | The key that opens the event is missing. | Put the missing key back into INTEGRATOR_ENCRYPTION_KEYS, then retry.
crashed undispatchable | internal | report | human | The product made a mistake. The event is kept and nothing is lost. | Report it with the message. Retry after an update.
""")  # noqa: E501 - a table is read by its rows

# What a status means where the code says nothing, as `connectors.salesforce.errors` and
# `connectors.stripe.errors` read it.
STATUSES = {
    "salesforce": read("salesforce.http", """
5xx 408 | transient | retry | auto | Salesforce could not answer in time. | {wait}
429 | rate_limit | retry | auto | Salesforce asks for patience. | {wait}
300 | duplicate | choose_record | human | Several records have this external id, so nothing was written. | Make the external id field unique in the org and remove the extra records, then retry.
407 | auth | mend_login | human | A proxy on the way asks for a login. | Give the proxy its login in HTTPS_PROXY, or let Integrator pass without it.
401 | auth | mend_login | human | Salesforce did not accept the session. | Test the connection and follow what it says.
403 | permission | grant_access | human | The integration user may not do this. | {access}
404 | missing_ref | check_state | human | The record is not there, or no longer. | Restore the record, or discard this run.
410 | schema | report | human | Salesforce no longer offers what was asked for. | Update Integrator.
413 414 431 | too_large | report | human | The call was larger than Salesforce, or something on the way, allows. | Report this to your administrator.
"""),  # noqa: E501 - a table is read by its rows
    "stripe": read("stripe.http", r"""
400 | conflict | check_state | human | The subscription was cancelled, and can no longer be changed. | Look in Stripe; if it is to go on, start another one. Otherwise discard this run. | cancelled: ^a canceled subscription can only
400 | data | correct_amount | human | Stripe keeps one currency for a customer, and this is another one. | Check the currency of the customer and of the price. Currencies are never changed for you. | currency: cannot combine currencies|currenc(?:y|ies) .{0,60}does not match
400 | data | mend_flow | human | The flow uses a way of Stripe's that does not fit what it names. | Read the message and correct the parameters of the step, then retry. | way: ^you cannot use\b
400 | data | give_default | approve | Stripe requires a value where there was none. | Map it, or give it a default in the step. | empty: ^you passed an empty string for|^(?:you )?must provide|^missing (?:a )?required param
409 | conflict | check_state | human | The same request was sent before with other values. | Look in Stripe at what was done, then decide by hand. | idempotency: idempotent requests can only be used
409 | lock | retry | auto | Another request held the object. | {wait}
5xx 408 | transient | retry | auto | Stripe could not answer in time. | {wait}
429 | rate_limit | rest | auto | Stripe's request rate was exceeded. | The connection resumes by itself.
407 | auth | mend_login | human | A proxy on the way asks for a login. | Give the proxy its login in HTTPS_PROXY, or let Integrator pass without it.
401 | auth | mend_login | human | Stripe did not accept the key. | Enter a new key at the connection.
402 | declined | take_declined_way | auto | The customer's bank declined the payment. | Ask the customer for another way to pay.
403 | permission | grant_access | human | The restricted key lacks a permission. | Add the permission that the message names to the key in Stripe, then resume.
404 | internal | report | human | Stripe has no such address. | Update Integrator; if that does not help, report it with the message. | address: ^unrecognized request url
424 | transient | resend | approve | Something that Stripe itself depends on did not answer. | Retry in a while.
404 | missing_ref | check_state | human | Stripe has no such object, or no longer. | Check in Stripe whether it was deleted. If so, discard this run.
413 414 431 | too_large | report | human | The call was larger than Stripe, or something on the way, allows. | Report this to your administrator.
"""),  # noqa: E501 - a table is read by its rows
}

# Where there is neither a code nor a telling status. What another system writes decides over nothing that is
# done by itself; only where there was no answer at all are the words the network's own.
MESSAGES = read("message", r"""
* | auth | mend_login | human | The key belongs to the other mode. | Compare the connection's mode with the environment and enter the right key. | other_mode: similar object exists in (?:live|test) mode
* | auth | mend_login | human | Stripe did not accept the key. | Enter a new key at the connection. | key: ^(?:invalid|expired) api key
* | conflict | check_state | human | The same request was sent before with other values. | Look in Stripe at what was done, then decide by hand. | idempotency: idempotent requests can only be used
* | conflict | close_as_done | approve | Stripe says that this was done already. | Look in Stripe; if it is as it should be, discard this run. | refunded: has already been (?:refunded|captured)
* | permission | grant_access | human | The restricted key lacks a permission. | Add the permission that the message names to the key in Stripe, then resume. | key_permission: rak_[a-z_]|required permissions for this endpoint
* | missing_ref | save_parent | approve | {field} refers to a record that is not in the org yet. | Sync the record that {field} refers to, then retry. | parent: ^foreign key external id
* | missing_ref | check_state | human | The object is not there, or no longer. | Check whether it was deleted. If so, discard this run. | gone: ^no such [a-z]
* | data | give_default | approve | {field} must have a value. | Map {field}, or give it a default in the mapping. | required: ^(?:required fields are missing|missing required param)
* | data | change_mapping | approve | The other system does not know the parameter. | Take it out of the step, or correct its name. | unknown_parameter: ^received unknown parameter
* | data | correct_amount | human | The other system does not accept this amount or currency. | Check the amount and its currency. Amounts are never changed for you. | amount: ^(?:invalid currency|amount must|the amount)
* | data | correct_data | human | The other system did not accept the value of {field}. | Correct the value of {field}. | invalid: ^invalid (?:integer|boolean|decimal|object|array|timestamp|date|url|email)
* | data | cut_text | approve | The text is longer than {field} allows. | Let the mapping cut the text to the length of {field}. | long: \(max length=\d+\)$|^invalid string: .{0,300}must be at most
""")["*"]  # noqa: E501 - a table is read by its rows
STRIPE_SAYS = read("stripe.says", r"""
* | auth | mend_login | human | The key, or what it names, belongs to the other mode. | Compare the connection's mode with the environment and enter the right key. | mode: in (?:live|test) mode and now|(?:live|test)mode key|with an api key in (?:live|test) mode
* | data | correct_amount | human | Stripe does not accept this amount. | Check the amount and its currency. Amounts are never changed for you. | more: \b(?:amount|refund|charge|total)\b.{0,60}\b(?:greater than|less than|exceeds?|at least|at most|too (?:large|small))\b
* | conflict | correct_amount | human | The balance of the account does not allow this amount. | Look at the balance in Stripe. Amounts are never changed for you. | balance: insufficient (?:available )?funds in your stripe
* | rate_limit | resend | approve | Stripe allows only so many of these in a short time. | Wait a little, then retry. | often: too (?:quickly|many (?:requests|times|attempts))|rate limit|requests per second
* | declined | ask_customer | human | The customer has no way to pay at Stripe. | Ask the customer for one, or set one at the customer in Stripe, then retry. | no_source: has no (?:attached|active|default|saved)
* | permission | mend_account | human | The Stripe account may not do this, or not yet. | Look at the notices and settings of the account in Stripe, then retry. | account: \byour (?:platform|account|destination account)\b.{0,80}(?:not|cannot|can't|need|must|only)|not (?:been )?(?:activated|enabled|set up) (?:on|for|in) your|\b(?:connect|connected) accounts?\b.{0,60}(?:cannot|can't|must|need|outside)|\baccount has requirements\b|\bcapabilit|(?:not (?:enabled|activated|available|supported)|isn't (?:enabled|available)) (?:for|on|in) (?:your|this) (?:account|country)|you (?:do not|don't) have (?:access|permission)
* | data | correct_data | human | Stripe did not accept a value. | Read the message and correct the value or its mapping. | malformed: ^(?:invalid|malformed)\b|\b(?:is not (?:a )?valid|must be (?:one of|a|an|in|between|before|after|at)|is invalid|isn't valid|is too long)\b
* | conflict | check_state | human | The object in Stripe is in a state that forbids this. | Look at the object in Stripe. Bring it into the state that the message asks for and retry, or discard this run. | state: \balready\b|\bno longer\b|\bhas a status of\b|\bone of (?:these|the following) status(?:es)?\b|\b(?:cannot|can't|can not|could not|may not|unable to)\b|\bcan only\b|\bonly .{1,60} can be\b|\b(?:is|was|been|are) (?:`?cancell?ed|voided|finali[sz]ed|expired|deleted|closed|paid|inactive|archived)\b
* | data | correct_data | human | Stripe did not accept the request, and gives no code for it. | Read the message. Correct what it names in the mapping, or look at the object in Stripe, then retry. | refused: .
""")["*"]  # noqa: E501 - a table is read by its rows
NO_ANSWER = read("network", r"""
* | auth | mend_login | human | A proxy on the way asks for a login. | Give the proxy its login in HTTPS_PROXY, or let Integrator pass without it. | proxy: proxy authentication required
* | transient | check_state | human | The certificate of the other side was not accepted. | Look whether a proxy on the way replaces it, and whether the certificates of this machine are up to date, then retry. | certificate: certificate (?:verify|verification|has expired)|certificate_verify_failed|self[- ]signed certificate
* | transient | retry | auto | The other system could not be reached. | {wait} | lost: ^(?:https?connectionpool\(host='[\w.-]{1,200}', port=\d{1,5}\): )?(?:\('|the |\(\d{1,5}, ')?(?:\[errno -?\d{1,5}\] )?(?:max retries exceeded with url|remote end closed connection|temporary failure in name resolution|name or service not known|socket hang up|(?:(?:read|request) (?:operation )?timed out|connection (?:aborted|refused|reset|timed out)|end of file reached|broken pipe|network is unreachable|no route to host|server disconnected)(?:$|[.,:;'")(\]]| by peer| while| with| \()|(?:could not|failed to|unable to) (?:connect to|establish a (?:new )?connection)|an error occurred with our connection|unexpected error communicating|eof occurred|incompleteread|net::(?:read|open)timeout|net::err_(?:connection|timed|name|internet|address|network)|(?:read |connect )?e(?:conn(?:reset|refused|aborted)|timedout|pipe|notfound|ai_again)(?:$|[^a-z]))
""")["*"]  # noqa: E501 - a table is read by its rows

UNKNOWN = Rule(
    "unknown",
    "unknown",
    "read_message",
    "human",
    "This failure is not in the catalogue.",
    "Read the message. Mend what it names, then retry; if it is of no use, report it.",
)

# What is known where only the class is: what the connector or the step made of it.
_OF_CLASSES = read("class", """
transient | transient | retry | auto | The other system could not answer. | {wait}
rate_limit | rate_limit | rest | auto | The API budget is spent for now. | The connection resumes by itself.
auth | auth | mend_login | human | The other system did not accept the credential. | Test the connection and follow what it says.
permission | permission | grant_access | human | The credential is good, but one permission is missing. | {access}
missing_ref | missing_ref | check_state | human | The record is not there, or no longer. | Restore the record, or discard this run.
duplicate | duplicate | choose_record | human | Several records fit. | Decide which record is right in Salesforce, then retry.
declined | declined | take_declined_way | auto | The bank said no. | Ask the customer for another way to pay.
conflict | conflict | check_state | human | It may have been done: the answer was lost. | Look in the other system whether it was done, then retry or discard.
internal | internal | report | human | The product made a mistake. The event is kept and nothing is lost. | Report it with the message. Retry after an update.
""")  # noqa: E501 - a table is read by its rows
# fmt: on

BY_CLASS = {name: rules[0] for name, rules in _OF_CLASSES.items()}

# Of what may work later: codes that say for certain that nothing was done.
NOTHING_DONE = frozenset(
    {"PROCESSING_HALTED", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUEST_LIMIT_EXCEEDED", "budget"}
)

# What is told of a letter whose tries by itself are over.
OVER = (
    "It was tried again by itself until the time for that was over. "
    "Retry it when the other system answers again."
)
NO_DECLINED_WAY = (
    "Ask the customer for another way to pay. So that the flow goes on after such an answer, "
    "connect the exit “declined” of the step."
)
