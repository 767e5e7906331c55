"""
This module holds the rules for what Salesforce answers, its event bus and its logins included.

Codes and texts: StatusCode and ExceptionCode
(https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm),
the limits of requests (https://help.salesforce.com/s/articleView?id=000389067), state and country picklists
(https://help.salesforce.com/s/articleView?id=sf.admin_state_country_picklists_errors.htm), the event bus
(https://developer.salesforce.com/docs/platform/pub-sub-api/guide/handle-errors.html).
"""

from __future__ import annotations

from flows.error_catalogue.rules import read

# fmt: off
CODES = read("salesforce", """
UNABLE_TO_LOCK_ROW | lock | retry | auto | Another change held the record, or its parent, at that moment. | {wait}
SERVER_UNAVAILABLE QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG UNKNOWN_EXCEPTION PLATFORM_EVENT_PUBLISHING_UNAVAILABLE FUNCTIONALITY_TEMPORARILY_UNAVAILABLE TXN_SECURITY_METERING_ERROR | transient | retry | auto | Salesforce could not answer in time. | {wait}
UNAVAILABLE DEADLINE_EXCEEDED unknown_error | transient | resend | approve | Salesforce could not answer in time. | Retry in a while.
INVALID_QUERY_LOCATOR INVALID_LOCATOR | transient | resend | approve | Salesforce no longer keeps the list that was being read. | Retry: it is read from its beginning.
TOO_MANY_APEX_REQUESTS | transient | retry | auto | Too many long calls ran in the org at once. | {wait}
PROCESSING_HALTED ALL_OR_NONE_OPERATION_ROLLED_BACK | transient | retry | auto | Another record of the same call was at fault, not this one. | {wait}
INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE ORG_IN_MAINTENANCE TERRITORY_REALIGN_IN_PROGRESS | transient | resend | approve | The org is in maintenance and takes no changes. | Retry when the maintenance is over; https://status.salesforce.com says when.
ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE COLLISION_DETECTED TooManyLockFailure | lock | resend | approve | Somebody changed the record at the same time. | Retry: the newest state is read first.

REQUEST_LIMIT_EXCEEDED | transient | retry | auto | Too many long calls ran in the org at once. | {wait} | concurrent: concurrent
REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED | rate_limit | rest | auto | The org's allowance of API calls for 24 hours is spent. | The connection resumes when calls are available again. If this happens often, raise the org's API limit.
ExceededQuota API_LIMIT_EXCEEDED rate_limit_exceeded | rate_limit | resend | approve | An allowance of the org is spent. | Retry when it may call again. If this happens often, raise the org's limit.
SINGLE_EMAIL_LIMIT_EXCEEDED MASS_MAIL_LIMIT_EXCEEDED | rate_limit | check_state | human | The org may send no more mails today. | Retry tomorrow, or let fewer of the org's rules send mail.
login_rate | rate_limit | rest | auto | Salesforce allows 3,600 logins an hour for a user, and they are used up, most likely by another program. | The connection resumes by itself. Give Integrator an integration user of its own.
INVALID_GRANT invalid_grant | rate_limit | rest | auto | Salesforce allows 3,600 logins an hour for a user, and they are used up, most likely by another program. | The connection resumes by itself. Give Integrator an integration user of its own. | login_rate: login rate exceeded
LICENSE_LIMIT_EXCEEDED MAXIMUM_HIERARCHY_CHILDREN_REACHED MAXIMUM_HIERARCHY_LEVELS_REACHED CUSTOM_FIELD_INDEX_LIMIT_EXCEEDED TOO_MANY_ENUM_VALUE | too_large | mend_org | human | A limit of the org, or of this object in it, is reached. | Read the message and make room in the org, or raise the limit, then retry.
STORAGE_LIMIT_EXCEEDED EXCEEDED_QUOTA | too_large | mend_org | human | The org has no storage left. | Free data storage in the org, or buy more, then retry.
EXCEEDED_ID_LIMIT TOO_MANY_FIELDS ALL_OR_NONE_TOO_LARGE EXCEEDED_MAX_SIZE_REQUEST EXCEEDED_MAX_TYPES_LIMIT TOO_MANY_RECORDS TOO_MANY_RECIPIENTS EMAIL_BATCH_SIZE_LIMIT_EXCEEDED FILE_SIZE_LIMIT_EXCEEDED MAXIMUM_SIZE_OF_ATTACHMENT MAXIMUM_SIZE_OF_DOCUMENT IMAGE_TOO_LARGE | too_large | report | human | The call was larger than Salesforce allows. | Report this to your administrator: calls should have been split.
QUERY_TOO_COMPLICATED QUERY_TOO_LONG OPERATION_TOO_LARGE EXCEEDED_MAX_SEMIJOIN_SUBSELECTS EXCEEDED_MAX_FILTER_ENTITIES | too_large | mend_flow | human | The query is longer or asks for more than Salesforce takes at once. | Let the step ask for fewer fields or conditions, then retry.

INVALID_SESSION_ID | auth | mend_login | human | The org takes no sessions of this kind from here. | Test the connection and follow what it says. | barred: not valid for use with
INVALID_SESSION_ID INVALID_AUTH_HEADER | auth | renew_session | auto | Salesforce did not accept the session. | A new login is made by itself. If it is refused as well, the connection rests: test it and follow what it says.
INVALID_GRANT invalid_grant app_not_found invalid_client invalid_client_id unsupported_grant_type other_grant unknown_app grant_type key_unreadable key_kind incomplete redirected wrong_place no_session guest not_approved audience expired_assertion bad_assertion app_access INVALID_LOGIN INVALID_CLIENT UNSUPPORTED_CLIENT CLIENT_NOT_ACCESSIBLE_FOR_USER CLIENT_REQUIRE_UPDATE_FOR_USER LOGIN_MUST_USE_SECURITY_TOKEN LOGIN_CHALLENGE_ISSUED LOGIN_CHALLENGE_PENDING LOGIN_OAUTH_INVALID_DS IP_RANGE_LIMIT_EXCEEDED InvalidSessionId TXN_SECURITY_END_A_SESSION SSO_SERVICE_DOWN MUTUAL_AUTHENTICATION_FAILED ORG_NOT_OWNED_BY_INSTANCE OAUTH_APP_ACCESS_DENIED OAUTH_APP_BLOCKED OAUTH_EC_APP_NOT_FOUND OAUTH_APPROVAL_ERROR_GENERIC OAUTH_AUTHORIZATION_BLOCKED access_denied unauthorized_client invalid_scope invalid_request invalid_app_access invalid_client_credentials invalid_assertion_type redirect_uri_mismatch inactive_org INVALID_OPERATION_WITH_EXPIRED_PASSWORD | auth | mend_login | human | Salesforce refused the login. | Test the connection and follow what it says.
inactive_user locked_user USER_LOCKED_OUT PASSWORD_LOCKOUT INACTIVE_USER LOGIN_DURING_RESTRICTED_TIME LOGIN_DURING_RESTRICTED_DOMAIN | auth | mend_login | human | The integration user may not log in: it is inactive, locked, or kept out at this time or from this address. | Let an administrator of the org look at the login history of the user.
ORG_LOCKED ORG_IS_SIGNING_UP TRIAL_EXPIRED ORGANIZATION_SUSPENDED | auth | mend_org | human | The org is locked, or its trial is over. | Ask Salesforce to open the org again, then test the connection.

INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY TRANSFER_REQUIRES_READ CANNOT_DELETE_OWNER FIELD_NOT_UPDATABLE INSUFFICIENT_ACCESS_APEX APEX_DATA_ACCESS_RESTRICTION INVALID_READ_ONLY_USER_DML SHARE_NEEDED_FOR_CHILD_OWNER CHILD_SHARE_FAILS_PARENT NO_ATTACHMENT_PERMISSION NO_PARTNER_PERMISSION NO_MASS_MAIL_PERMISSION OP_WITH_INVALID_USER_TYPE_EXCEPTION OPERATION_WITH_INVALID_USER_TYPE_EXCEPTION PORTAL_NO_ACCESS COMMUNITY_NOT_ACCESSIBLE TXN_SECURITY_NO_ACCESS FORBIDDEN InvalidUser | permission | grant_access | human | The integration user may not change this record, or one that it refers to. | {access}
INVALID_FIELD_FOR_INSERT_UPDATE | permission | grant_access | human | The integration user may not write {field}, or the field can never be written. | Give it edit access to {field}, or take the field out of the mapping.
API_CURRENTLY_DISABLED API_DISABLED_FOR_ORG FUNCTIONALITY_NOT_ENABLED FeatureNotEnabled REQUIRED_FEATURE_MISSING PACKAGE_LICENSE_REQUIRED APEX_REST_SERVICES_DISABLED FEED_NOT_ENABLED_FOR_OBJECT | permission | grant_access | human | The user may not use the API, or the org has switched off what the call needs. | Give the integration user the permission “API Enabled”, or switch the feature on, then retry.
UNAVAILABLE_RECORDTYPE_EXCEPTION | permission | grant_access | human | The integration user may not give records this type. | Assign the record type to the user's profile or permission set, or map another one, then retry.
INVALID_CROSS_REFERENCE_KEY CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY | permission | grant_access | human | The integration user may not give records this type. | Assign the record type to the user's profile or permission set, or map another one, then retry. | record_type: record type id|record type missing for

INVALID_FIELD | missing_ref | save_parent | approve | {field} refers to a record that is not in the org yet. | Sync the record that {field} refers to, then retry. A step that saves records can save such parents first. | parent: foreign key external id
INVALID_TYPE | schema | mend_org | human | The org has no such object, or the integration user may not see it. | Create {field} in the org, give the integration user access to it, or choose another one in the flow.
InvalidBatch | schema | mend_org | human | The org has no such field, or the integration user may not see it. | Create the field, give the integration user access to it, or take it out of the mapping. | field: field name not found
INVALID_FIELD NOT_FOUND_FIELD | schema | change_mapping | approve | The org has no such field or object, or the integration user may not see it. | Create {field}, give the integration user access to it, or take it out of the mapping.
NOT_FOUND INVALIDJOB InvalidJob | schema | mend_org | human | The org has no such external id field, or the integration user may not see it. | Mark the field as an external id and give the integration user access to it, or choose another one in the step, then retry. | key: external id
INVALIDENTITY InvalidEntity INVALID_ENTITY_FOR_MATCH_ENGINE_ERROR CANNOT_RESOLVE_NAME | schema | change_mapping | approve | The org has no such object, or it cannot be used like this. | Choose another object in the step.
METHOD_NOT_ALLOWED INVALID_TYPE_FOR_OPERATION BIG_OBJECT_UNSUPPORTED_OPERATION EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION UNSUPPORTED_APEX_TRIGGER_OPERATON | conflict | mend_flow | human | Salesforce does not allow this with such records. | Choose another step or another object for it.
NO_SUCH_RECORD_TYPE | schema | mend_org | human | The org has no record type of this name, or it is not active. | Create it in the org under the same API name, or choose another record type in the mapping, then retry.
UNSUPPORTED_API_VERSION | schema | report | human | Salesforce no longer offers the API version of the connection. | Update Integrator.
INVALID_CROSS_REFERENCE_KEY INVALID_FIELD_REFERENCE UNAVAILABLE_REF MISSING_RECORD NO_SUCH_USER_EXISTS INVALID_MESSAGE_ID_REFERENCE | missing_ref | correct_link | approve | {field} refers to a record that is not there or may not be used. | Make sure that the record which {field} refers to is in the org, then retry.
INACTIVE_OWNER_OR_USER OPERATION_WITH_INACTIVE_USER | data | correct_link | approve | {field} names a user who is inactive. | Map {field} to an active user, or activate the user, then retry.

REQUIRED_FIELD_MISSING | data | give_default | approve | The org requires {field}, and it was empty. | Map {field}, or give it a default in the mapping.
FIELD_CUSTOM_VALIDATION_EXCEPTION | data | mend_org | human | A validation rule of the org refused the record. | Read the rule's message. Change the mapping of {field}, or the rule, then retry.
FIELD_FILTER_VALIDATION_EXCEPTION | data | mend_org | human | The filter of the look-up {field} refused the record that it refers to. | Let {field} refer to a record that the filter admits, or change the filter in the org, then retry.
STRING_TOO_LONG | data | cut_text | approve | The text is longer than {field} allows. | Let the mapping cut the text to the length of {field}, or make the field longer.
INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST INVALID_MULTISELECT_PICKLIST_VALUE | data | map_value | approve | {field} is a restricted picklist without this value, or the record's type does not take it. | Add the value to the picklist of {field} and to the record type, or map it to one that is there.
FIELD_INTEGRITY_EXCEPTION | data | give_default | approve | The org takes a state only together with its country, and the country is empty. | Map the country as well, or give it a default in the mapping. | no_country: a (?:country|territory)[^. ]{0,20} must be specified
FIELD_INTEGRITY_EXCEPTION | data | map_value | approve | The org's list of countries and states does not know the value of {field}. | Map {field} to a value of the org's list, such as its ISO code, or add it to the list. | address: problem with this (?:country|state|territory)|recognize the state|list of valid (?:countr|state|territor)
FIELD_INTEGRITY_EXCEPTION | data | correct_data | human | The value of {field} does not fit the record's other values. | Read the message and correct the mapping of {field}.
MALFORMED_ID INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD | data | correct_link | approve | {field} needs a Salesforce record id, and this is not one. | Map an external id instead, or correct the value of {field}.
INVALID_EMAIL_ADDRESS | data | clear_value | approve | {field} does not hold an e-mail address. | Correct the address in Stripe, or leave {field} empty when it is not one.
NUMBER_OUTSIDE_VALID_RANGE | data | correct_amount | human | The number has more digits than {field} can hold. | Make {field} larger in the org. The amount is never rounded or cut for you.
INVALID_CURRENCY_ISO INVALID_CURRENCY_CORP_RATE INVALID_CURRENCY_CONVERSION_RATE STANDARD_PRICE_NOT_DEFINED | data | correct_amount | human | The org has no such active currency, or no price for the product in it. | Activate the currency or enter the standard price in the org, then retry. Currencies are never changed for you.
JSON_PARSER_ERROR INVALID_ARGUMENT_TYPE INVALID_TYPE_ON_FIELD_IN_RECORD | data | change_mapping | approve | A value has the wrong type for {field}. | Correct the type of {field} in the mapping: text, number, true or false, date.
INVALID_DATE_FORMAT | data | change_mapping | approve | {field} needs a date in another form. | Use the chip for Unix times in the mapping of {field}.
INVALID_INPUT INVALID_OPERATOR INVALID_OPERATION INVALID_CONTENT_TYPE INVALID_DATA_URI INVALID_INET_ADDRESS INVALID_ASSIGNMENT_RULE INVALID_ASSIGNEE_TYPE INVALID_CREDIT_CARD_INFO INVALID_EMPTY_KEY_OWNER INVALID_LOCALE_LANGUAGE INVALID_PERSON_ACCOUNT_OPERATION INVALID_ACCESS_LEVEL TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET FIELD_MODERATION_RULE_BLOCK FIELD_KEYWORD_LIST_MATCH_LIMIT FIELD_MAPPING_ERROR FILE_EXTENSION_NOT_ALLOWED HTML_FILE_UPLOAD_NOT_ALLOWED UNSPECIFIED_EMAIL_ADDRESS EMAIL_ADDRESS_BOUNCED EMAIL_OPTED_OUT NONUNIQUE_SHIPPING_ADDRESS DUPLICATE_ARGUMENT_VALUE PRIVATE_CONTACT_ON_ASSET INVALID_STATUS INVALID_SIGNUP_COUNTRY CIRCULAR_DEPENDENCY INVALID_ID_FIELD MISSING_ARGUMENT INVALID_API_INPUT UNSAFE_HTML_CONTENT | data | correct_data | human | Salesforce does not accept this value of {field}. | Read the message and correct the value of {field} or its mapping, then retry.
MALFORMED_QUERY MALFORMED_SEARCH INVALID_QUERY INVALID_QUERY_SCOPE INVALID_SEARCH INVALID_SEARCH_SCOPE INVALID_FILTER_VALUE INVALID_FILTER_LANGUAGE INVALID_SORT_OPTION INVALID_PAGING_OPTION INVALID_QUERY_FILTER_OPERATOR | data | mend_flow | human | Salesforce does not understand the question of the step. | Correct the condition or the fields that the step asks for, then retry.

NOT_ACCEPTABLE UNSUPPORTED_MEDIA_TYPE POST_BODY_PARSE_ERROR ILLEGAL_QUERY_PARAMETER_VALUE XML_PARSER_ERROR INVALID_SOAP_HEADER INVALID_BATCH_REQUEST INVALID_BATCH_SIZE INVALID_BATCH_OPERATION INVALID_MULTIPART_REQUEST CIRCULAR_OBJECT_GRAPH | internal | report | human | Salesforce does not understand how it was asked. | Update Integrator; if that does not help, report it with the message.

CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER | lock | retry | auto | Another change held a record that the org's own automation needs. | {wait} | locked: unable_to_lock_row|unable to obtain exclusive access to this record
CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER APEX_ERROR CUSTOM_APEX_ERROR | too_large | resend | approve | The org's own automation had more to do at once than Salesforce allows. | Retry: alone the record may fit. If it happens again, let the trigger or Flow work on many records at once. | limits: LimitException|Apex CPU time limit|Too many (?:SOQL|DML|query rows)|have more than .{1,4} chunks
CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER FAILED_ACTIVATION APEX_ERROR CUSTOM_APEX_ERROR FLOW_EXCEPTION MIXED_DML_OPERATION DML_EXCEPTION SELF_REFERENCE_FROM_TRIGGER SELF_REFERENCE_FROM_FLOW TXN_SECURITY_APEX_ERROR MANAGER_NOT_DEFINED TEMPLATE_NOT_ACTIVE INACTIVE_RULE_ERROR EXTERNAL_OBJECT_EXCEPTION EXTERNAL_OBJECT_CONNECTION_EXCEPTION EXTERNAL_OBJECT_AUTHENTICATION_EXCEPTION APEX_TRIGGER_COUPLING_LIMIT | conflict | mend_org | human | Apex code or a Flow of the org refused the record. | Read the message, mend the trigger or Flow in the org, then retry.
ENTITY_IS_LOCKED ALREADY_IN_PROCESS | conflict | check_state | human | The record is locked, as a rule by an approval process. | Finish or recall the approval in Salesforce, then retry.
NOT_FOUND | missing_ref | check_state | human | The record is not there, or no longer. | Restore the record from the recycle bin, or discard this run.
ENTITY_IS_ARCHIVED CANNOT_REPARENT_RECORD RECORD_IN_USE_BY_WORKFLOW UNDELETE_FAILED MERGE_FAILED PORTAL_USER_ALREADY_EXISTS_FOR_CONTACT CANNOT_CASCADE_PRODUCT_ACTIVE NO_APPLICABLE_PROCESS CANNOT_POST_TO_ARCHIVED_GROUP | conflict | check_state | human | The record is in a state that forbids the change. | Read the message and look at the record in Salesforce, then retry or discard this run.
ENTITY_IS_DELETED | conflict | check_state | human | The record was deleted in Salesforce. | Restore the record from the recycle bin, or discard this run.
CANNOT_UPDATE_CONVERTED_LEAD | conflict | check_state | human | The lead was converted, and can no longer be changed. | Let the flow write to the contact or account that the lead became, or discard this run.
DELETE_FAILED DEPENDENCY_EXISTS | conflict | check_state | human | Other records still depend on this one. | Remove what depends on it in Salesforce, then retry.

DUPLICATE_VALUE | duplicate | choose_record | human | Another record already has this value in {field}. | Find the other record (its id is in the message) and merge the two, or correct {field}.
DUPLICATE_USERNAME DUPLICATE_COMM_NICKNAME DUPLICATE_DEVELOPER_NAME DUPLICATE_MASTER_LABEL DUPLICATE_CASE_SOLUTION TOO_MANY_POSSIBLE_USERS_EXIST | duplicate | choose_record | human | Another record already has this name. | Find the other record in Salesforce, then correct the value or discard this run.
DUPLICATES_DETECTED | duplicate | choose_record | human | A duplicate rule of the org found records that look the same. | Decide in Salesforce which record is right, then retry.
MULTIPLE_CHOICES 300 HTTP_300 DUPLICATE_EXTERNAL_ID | duplicate | choose_record | human | Several records have this external id, so nothing was written. | Make the external id field unique in the org and remove the extra records, then retry.
""")  # noqa: E501 - a table is read by its rows

EVENT_BUS = read("salesforce", """
service.auth.error service.auth.headers.invalid | auth | mend_login | human | Salesforce did not accept the session. | A new login is made by itself. If it is refused as well, test the connection and follow what it says.
service.tenant.license | permission | grant_access | human | The org is not licensed for the Pub/Sub API. | Ask Salesforce to switch it on, then the topic is heard by itself.
topic.meta.permission schema.meta.permission subscription.topic.cannot.subscribe | permission | grant_access | human | The integration user may not hear this topic. | Give it read access to the object or platform event (permission set Stripe_Integration).
topic.not.found topic.notfound topic.validation.empty | schema | mend_org | human | The org has no such topic. | Switch on Change Data Capture for the object, or deploy the platform event; or listen to this topic no more.
subscription.limit.exceeded | rate_limit | rest | auto | The org's allowance of event deliveries for 24 hours is spent. | It is tried again by itself, and nothing is lost for 72 hours. If this happens often, listen to fewer topics, or buy more deliveries.
concurrent.client.limit.exceeded | transient | retry | auto | The org has as many subscribers as it may have at once. | {wait}
service.unavailable service.protection.triggered service.protection.stream.limit.triggered topic.api.unavailable schema.api.unavailable subscription.internal.error subscription.fetch.overflow subscription.fetch.replay.repeated event_bus.unreachable | transient | retry | auto | Salesforce's event bus could not be reached, or asks for patience. | {wait}
event_bus.session_over | transient | renew_session | auto | The session had ended. | Nothing needs to be done: the next try logs in.
event_bus.address | conflict | mend_login | human | The connection's address of the event bus is not one of Salesforce's. | Make the connection anew with the right address, or without one.
event_bus.refused | conflict | report | human | The event bus did not understand what it was asked. | Update Integrator; if that does not help, report it with the message.
subscription.fetch.replayid.corrupted subscription.fetch.replayid.validation.failed | conflict | check_state | human | Salesforce keeps events for 72 hours and does not know the last position any more. | Compare the records that changed since then, and let the topic go on from the earliest event.
""")  # noqa: E501 - a table is read by its rows
# fmt: on
