"""What Salesforce, Stripe and the network really say, and what is made of each."""

from __future__ import annotations

import pytest

from flows.error_catalogue import classify

# Texts are those of Salesforce's and Stripe's documentation and of reports about them; ids are made up.
# `system | status | code | message | class | action | autonomy`
# fmt: off
CASES = """
salesforce | 400 | UNABLE_TO_LOCK_ROW | unable to obtain exclusive access to this record or 1 records: 001Kj00001AbCdEIAV | lock | retry | auto
salesforce | 200 | UNABLE_TO_LOCK_ROW | unable to obtain exclusive access to this record | lock | retry | auto
salesforce | 503 | SERVER_UNAVAILABLE | Server is down for maintenance | transient | retry | auto
salesforce | 400 | QUERY_TIMEOUT | Your query request was running for too long. | transient | retry | auto
salesforce | 400 | REQUEST_RUNNING_TOO_LONG | Your request was running for too long, and has been stopped. | transient | retry | auto
salesforce | 500 | UNKNOWN_EXCEPTION | An unexpected error occurred. Please include this ErrorId if you contact support: 123456789-1234 (-123456789) | transient | retry | auto
salesforce | 500 | PLATFORM_EVENT_PUBLISHING_UNAVAILABLE | Unable to publish the platform event. Try again later. | transient | retry | auto
salesforce | 400 | PROCESSING_HALTED | The transaction was rolled back since another operation in the same transaction failed. | transient | retry | auto
salesforce | 200 | ALL_OR_NONE_OPERATION_ROLLED_BACK | Record rolled back because not all records were valid and the request was using AllOrNone header | transient | retry | auto
salesforce | 403 | REQUEST_LIMIT_EXCEEDED | TotalRequests Limit exceeded. | rate_limit | rest | auto
salesforce | 403 | REQUEST_LIMIT_EXCEEDED | ConcurrentRequests (Concurrent API Requests) Limit exceeded. | transient | retry | auto
salesforce | 403 | REQUEST_LIMIT_EXCEEDED | ConcurrentPerOrgLongTxn Limit exceeded. | transient | retry | auto
salesforce | 400 | LIMIT_EXCEEDED | You've exceeded the hourly limit of published platform events. | rate_limit | rest | auto
salesforce | 400 | login_rate | login rate exceeded | rate_limit | rest | auto
salesforce | 400 | STORAGE_LIMIT_EXCEEDED | storage limit exceeded | too_large | mend_org | human
salesforce | 400 | EXCEEDED_ID_LIMIT | record limit reached. cannot submit more than 200 records into this call | too_large | report | human
salesforce | 400 | QUERY_TOO_COMPLICATED | Query is either selecting too many fields or the filter conditions are too complicated. | too_large | mend_flow | human
salesforce | 401 | INVALID_SESSION_ID | Session expired or invalid | auth | renew_session | auto
salesforce | 401 | INVALID_SESSION_ID | This session is not valid for use with the REST API | auth | mend_login | human
salesforce | 401 | INVALID_AUTH_HEADER | INVALID_HEADER_TYPE | auth | renew_session | auto
salesforce | 403 | API_DISABLED_FOR_ORG | API is not enabled for this Organization or Partner | permission | grant_access | human
salesforce | 403 | API_CURRENTLY_DISABLED | API is disabled for this User | permission | grant_access | human
salesforce | 400 | invalid_grant | login rate exceeded | rate_limit | rest | auto
salesforce | 400 | invalid_grant | user hasn't approved this consumer | auth | mend_login | human
salesforce | 400 | not_approved | user hasn't approved this consumer | auth | mend_login | human
salesforce | 400 | audience | audience is invalid | auth | mend_login | human
salesforce | 400 | expired_assertion | expired authorization code | auth | mend_login | human
salesforce | 400 | app_not_found | External client app is not installed in this org | auth | mend_login | human
salesforce | 400 | invalid_client_id | client identifier invalid | auth | mend_login | human
salesforce | 400 | inactive_user | inactive user | auth | mend_login | human
salesforce | 403 | ORG_LOCKED | The organization is locked | auth | mend_org | human
salesforce | 403 | INSUFFICIENT_ACCESS | insufficient access rights on object id | permission | grant_access | human
salesforce | 400 | INSUFFICIENT_ACCESS_OR_READONLY | insufficient access rights on object id | permission | grant_access | human
salesforce | 400 | INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY | insufficient access rights on cross-reference id: 001000000000001AAA | permission | grant_access | human
salesforce | 400 | INVALID_FIELD_FOR_INSERT_UPDATE | Unable to create/update fields: Stripe_Mode__c. Please check the security settings of this field and verify that it is read/write for your profile or permission set. | permission | grant_access | human
salesforce | 400 | INVALID_CROSS_REFERENCE_KEY | Record Type ID: this ID value isn't valid for the user: 012000000000001AAA | permission | grant_access | human
salesforce | 400 | TRANSFER_REQUIRES_READ | The new owner must have read permission | permission | grant_access | human
salesforce | 400 | INVALID_FIELD | Foreign key external ID: cus_Q1a2b3 not found for field Stripe_Customer_Id__c in entity Account | missing_ref | save_parent | approve
salesforce | 400 | INVALID_FIELD | No such column 'Net_Amount__c' on sobject of type Payment__c | schema | correct_amount | human
salesforce | 400 | INVALID_FIELD | No such column 'Loyalty__c' on sobject of type Contact | schema | change_mapping | approve
salesforce | 404 | INVALID_TYPE | sObject type 'Payment__c' is not supported. | schema | mend_org | human
salesforce | 400 | NO_SUCH_RECORD_TYPE | There is no record type Business for Account | schema | mend_org | human
salesforce | 410 | UNSUPPORTED_API_VERSION | version not supported | schema | report | human
salesforce | 400 | INVALID_CROSS_REFERENCE_KEY | invalid cross reference id | missing_ref | correct_link | approve
salesforce | 400 | INACTIVE_OWNER_OR_USER | operation performed with inactive user [005000000000001] as owner of account | data | correct_link | approve
salesforce | 400 | REQUIRED_FIELD_MISSING | Required fields are missing: [LastName] | data | give_default | approve
salesforce | 400 | FIELD_CUSTOM_VALIDATION_EXCEPTION | A won opportunity needs a purchase order number. | data | mend_org | human
salesforce | 400 | FIELD_CUSTOM_VALIDATION_EXCEPTION | Service unavailable. UNABLE_TO_LOCK_ROW. Try again. | data | mend_org | human
salesforce | 400 | FIELD_FILTER_VALIDATION_EXCEPTION | Value does not exist or does not match filter criteria. | data | mend_org | human
salesforce | 400 | STRING_TOO_LONG | Billing City: data value too large: Giugliano in Campania, Metropolitan City of Naples (max length=40) | data | cut_text | approve
salesforce | 400 | INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST | Payment Method: bad value for restricted picklist field: Bank Transfer | data | map_value | approve
salesforce | 400 | FIELD_INTEGRITY_EXCEPTION | A country/territory must be specified before specifying a state value for field: Billing State/Province | data | give_default | approve
salesforce | 400 | FIELD_INTEGRITY_EXCEPTION | The existing country/territory doesn't recognize the state value for field: Billing State/Province Code | data | map_value | approve
salesforce | 400 | FIELD_INTEGRITY_EXCEPTION | There's a problem with this country, even though it may appear correct. Please select a country/territory from the list of valid countries.: Billing Country | data | map_value | approve
salesforce | 400 | FIELD_INTEGRITY_EXCEPTION | There's a problem with this state, even though it may appear correct. Please select a state from the list of valid states.: Mailing State/Province | data | map_value | approve
salesforce | 400 | FIELD_INTEGRITY_EXCEPTION | Every asset needs an account, a contact, or both. | data | correct_data | human
salesforce | 400 | FIELD_INTEGRITY_EXCEPTION | field integrity exception: PricebookEntryId (currency of the entry differs from the opportunity) | data | correct_data | human
salesforce | 400 | MALFORMED_ID | Account ID: id value of incorrect type: 003000000000001AAA | data | correct_link | approve
salesforce | 400 | INVALID_EMAIL_ADDRESS | Email: invalid email address: jenny.rosen@ | data | clear_value | approve
salesforce | 400 | NUMBER_OUTSIDE_VALID_RANGE | Discount: value outside of valid range on numeric field: 10000000000 | data | correct_amount | human
salesforce | 400 | INVALID_CURRENCY_ISO | Currency ISO Code: invalid currency code: XYZ | data | correct_amount | human
salesforce | 400 | STANDARD_PRICE_NOT_DEFINED | Before creating a custom price, create a standard price. | data | correct_amount | human
salesforce | 400 | JSON_PARSER_ERROR | Cannot deserialize instance of double from VALUE_STRING value twelve or request may be missing a required field at [line:1, column:30] | data | change_mapping | approve
salesforce | 400 | INVALID_DATE_FORMAT | Invalid date format | data | change_mapping | approve
salesforce | 400 | INVALID_STATUS | invalid status: Activated | data | correct_data | human
salesforce | 400 | CIRCULAR_DEPENDENCY | attempt to violate hierarchy constraints | data | correct_data | human
salesforce | 400 | MALFORMED_QUERY | unexpected token: 'FORM' | data | mend_flow | human
salesforce | 405 | METHOD_NOT_ALLOWED | HTTP Method 'DELETE' not allowed. Allowed are HEAD,GET,PATCH | conflict | mend_flow | human
salesforce | 400 | CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY | PaymentTrigger: execution of AfterUpdate caused by: System.DmlException: Update failed. First exception on row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: [] | lock | retry | auto
salesforce | 400 | CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY | PaymentTrigger: System.LimitException: Too many SOQL queries: 101 | too_large | resend | approve
salesforce | 400 | CANNOT_EXECUTE_FLOW_TRIGGER | The flow failed: Apex CPU time limit exceeded | too_large | resend | approve
salesforce | 400 | CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY | CaseTrigger: execution of BeforeInsert caused by: System.NullPointerException: Attempt to de-reference a null object | conflict | mend_org | human
salesforce | 400 | CANNOT_EXECUTE_FLOW_TRIGGER | We can't save this record because the “Renewals” process failed. Give your Salesforce admin these details. | conflict | mend_org | human
salesforce | 400 | FAILED_ACTIVATION | An order must have at least one product. | conflict | mend_org | human
salesforce | 400 | ENTITY_IS_LOCKED | the entity is locked for editing | conflict | check_state | human
salesforce | 404 | ENTITY_IS_DELETED | entity is deleted | conflict | check_state | human
salesforce | 404 | NOT_FOUND | The requested resource does not exist | missing_ref | check_state | human
salesforce | 400 | CANNOT_UPDATE_CONVERTED_LEAD | cannot reference converted lead | conflict | check_state | human
salesforce | 400 | DELETE_FAILED | Your attempt to delete Acme could not be completed because it is associated with the following orders.: 00000100 | conflict | check_state | human
salesforce | 400 | DUPLICATE_VALUE | duplicate value found: Email_Unique__c duplicates value on record with id: 001Kj00001AbCdE | duplicate | choose_record | human
salesforce | 400 | DUPLICATES_DETECTED | Use one of these records? It looks like Account 001Kj00001AbCdEIAV. | duplicate | choose_record | human
salesforce | 400 | DUPLICATE_EXTERNAL_ID | CIS Account Number: more than one record found for external id field: [001000000000001AAA, 001000000000002AAA] | duplicate | choose_record | human
salesforce | 300 | HTTP_300 | 2 records of Account have the Stripe_Customer_Id__c cus_1: 001000000000001AAA, 001000000000002AAA. Nothing was written. | duplicate | choose_record | human
salesforce | 300 | | | duplicate | choose_record | human
salesforce | 400 | INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE | Updates can't be made during maintenance. Try again when maintenance is complete. | transient | resend | approve
salesforce | 412 | ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE | Entity not updated because it was modified | lock | resend | approve
salesforce | 500 | | | transient | retry | auto
salesforce | 502 | | <html><body>Bad Gateway</body></html> | transient | retry | auto
salesforce | 503 | | Service Temporarily Unavailable | transient | retry | auto
salesforce | 504 | | | transient | retry | auto
salesforce | 408 | | | transient | retry | auto
salesforce | 429 | | Too Many Requests | rate_limit | retry | auto
salesforce | 401 | | | auth | mend_login | human
salesforce | 403 | | | permission | grant_access | human
salesforce | 404 | | | missing_ref | check_state | human
salesforce | 414 | | <h1>Bad Message 414</h1><pre>reason: URI Too Long</pre> | too_large | report | human
salesforce | 503 | BRAND_NEW_CODE | The org is moving | transient | retry | auto
salesforce | 400 | BRAND_NEW_CODE | Try again later | unknown | read_message | human
salesforce | | service.tenant.license | Org is not licensed | permission | grant_access | human
salesforce | | topic.not.found | The topic was not found | schema | mend_org | human
salesforce | | subscription.limit.exceeded | The limit for delivered events was exceeded | rate_limit | rest | auto
salesforce | | concurrent.client.limit.exceeded | | transient | retry | auto
salesforce | | service.unavailable | The service is temporarily unavailable | transient | retry | auto
salesforce | | subscription.fetch.replayid.corrupted | The Replay ID validation failed. | conflict | check_state | human
stripe | 402 | card_declined | Your card was declined. | declined | take_declined_way | auto
stripe | 402 | generic_decline | Your card was declined. | declined | take_declined_way | auto
stripe | 402 | insufficient_funds | Your card has insufficient funds. | declined | take_declined_way | auto
stripe | 402 | expired_card | Your card has expired. | declined | take_declined_way | auto
stripe | 402 | incorrect_cvc | Your card's security code is incorrect. | declined | take_declined_way | auto
stripe | 402 | processing_error | An error occurred while processing your card. Try again in a little bit. | declined | take_declined_way | auto
stripe | 402 | do_not_honor | Your card was declined. | declined | take_declined_way | auto
stripe | 402 | stolen_card | Your card was declined. | declined | take_declined_way | auto
stripe | 402 | try_again_later | Your card was declined. | declined | take_declined_way | auto
stripe | 402 | currency_not_supported | Your card does not support this type of purchase in JPY. | declined | ask_customer | human
stripe | 402 | authentication_required | Your card was declined. This transaction requires authentication. | declined | take_declined_way | auto
stripe | 402 | a_reason_of_tomorrow | Your card was declined. | declined | take_declined_way | auto
stripe | 400 | card_declined | The card cannot be used. | declined | take_declined_way | human
stripe | 400 | payment_method_customer_decline | The customer declined the payment. | declined | ask_customer | human
stripe | 429 | rate_limit | Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits. | rate_limit | rest | auto
stripe | 429 | | Too many requests | rate_limit | rest | auto
stripe | 429 | lock_timeout | This object cannot be accessed right now because another API request or Stripe process is currently accessing it. | lock | retry | auto
stripe | 409 | idempotency_key_in_use | There is currently another in-progress request using this Stripe-Idempotent-Key. | lock | retry | auto
stripe | 409 | | There is currently another in-progress request | lock | retry | auto
stripe | 409 | | Keys for idempotent requests can only be used for the same endpoint they were first used for. | conflict | check_state | human
stripe | 400 | idempotency_error | Keys for idempotent requests can only be used with the same parameters they were first used with. | conflict | check_state | human
stripe | 400 | | Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than 'k' if you meant to execute a different request. | conflict | check_state | human
stripe | 404 | resource_missing | No such customer: 'cus_Q1a2b3' | missing_ref | check_state | human
stripe | 404 | resource_missing | No such price: 'price_model_mode' | missing_ref | check_state | human
stripe | 404 | resource_missing | No such customer: 'cus_5tJLN1RqCwTM7R'; a similar object exists in live mode, but a test mode key was used to make this request. | auth | mend_login | human
stripe | 400 | resource_missing | No such payment_intent: 'pi_1'; a similar object exists in test mode, but a live mode key was used to make this request. | auth | mend_login | human
stripe | 400 | | No such token: tok_1; a similar object exists in test mode, but a live mode key was used to make this request. | auth | mend_login | human
stripe | 401 | | Invalid API Key provided: sk_test_********1234 | auth | mend_login | human
stripe | 401 | api_key_expired | Expired API Key provided: rk_live_*****1234 | auth | mend_login | human
stripe | 403 | | The provided key 'rk_live_***j4va' does not have the required permissions for this endpoint on account 'acct_1'. Having the 'rak_charge_read' permission would allow this request to continue. | permission | grant_access | human
stripe | 403 | more_permissions_required | The provided key does not have access | permission | grant_access | human
stripe | 400 | charge_already_refunded | Charge ch_3P has already been refunded. | conflict | close_as_done | approve
stripe | 400 | | Charge ch_173VPSAWOtgoysogg has already been refunded. | conflict | close_as_done | approve
stripe | 400 | charge_already_captured | Charge ch_3P has already been captured. | conflict | close_as_done | approve
stripe | 400 | charge_disputed | Charge ch_3P has been charged back; cannot issue a refund. | conflict | check_state | human
stripe | 400 | charge_expired_for_capture | The charge cannot be captured as it has expired. | conflict | check_state | human
stripe | 400 | payment_intent_unexpected_state | This PaymentIntent's payment_method could not be updated because it has a status of succeeded. | conflict | check_state | human
stripe | 400 | invoice_not_editable | The invoice is no longer editable. | conflict | check_state | human
stripe | 400 | token_already_used | You cannot use a Stripe token more than once: tok_1. | conflict | check_state | human
stripe | 400 | amount_too_small | Amount must be at least $0.50 usd | data | correct_amount | human
stripe | 400 | amount_too_large | Amount must be no more than $999,999.99 | data | correct_amount | human
stripe | 400 | invalid_charge_amount | The refund amount (€20.00) is greater than the unrefunded amount on the charge (€10.00) | data | correct_amount | human
stripe | 400 | balance_insufficient | Insufficient funds in your Stripe balance to refund this amount. | conflict | correct_amount | human
stripe | 400 | payouts_not_allowed | Payouts have been disabled for this account. | permission | mend_account | human
stripe | 400 | capability_not_active | Your account cannot currently make charges. | permission | mend_account | human
stripe | 400 | email_invalid | Invalid email address: jenny@ | data | clear_value | approve
stripe | 400 | parameter_missing | Missing required param: customer. | data | give_default | approve
stripe | 400 | parameter_invalid_empty | You passed an empty string for 'name'. | data | give_default | approve
stripe | 400 | parameter_unknown | Received unknown parameter: colour | data | change_mapping | approve
stripe | 400 | payment_method_types_no_longer_supported | payment_method_types can no longer be set | data | change_mapping | approve
stripe | 400 | parameter_invalid_integer | Invalid integer: 12.5 | data | correct_data | human
stripe | 400 | postal_code_invalid | The postal code you supplied was invalid. | data | correct_data | human
stripe | 400 | tax_id_invalid | Invalid value for eu_vat. | data | correct_data | human
stripe | 400 | bank_account_unusable | The bank account cannot be used. | data | correct_data | human
stripe | 400 | customer_max_subscriptions | Customer cus_1 already has the maximum 500 current subscriptions. | too_large | check_state | human
stripe | 500 | | An unknown error occurred | transient | retry | auto
stripe | 503 | | | transient | retry | auto
stripe | 400 | a_code_of_tomorrow | Too many requests, the connection was reset | unknown | read_message | human
stripe | 400 | | Received unknown parameter: colour | data | change_mapping | approve
stripe | 400 | | Invalid integer: 12.5 | data | correct_data | human
stripe | 400 | | Invalid currency: xyz. Stripe currently supports these currencies: usd, aed, afn | data | correct_amount | human
stripe | 400 | | Missing required param: customer. | data | give_default | approve
stripe | 400 | | Invalid string: abcdef; must be at most 500 characters | data | cut_text | approve
stripe | 400 | | Something nobody has seen | data | correct_data | human
stripe | | idempotency_key_spent | Stripe has kept a failure for this request, so it may have been done. | transient | look_up | auto
integrator | | timeout | Salesforce did not answer within the deadline. | transient | retry | auto
integrator | | network | Stripe could not be reached. | transient | retry | auto
integrator | | budget | Our own share of Stripe's rate limit is used up for now. | transient | retry | auto
integrator | | unanswered | Salesforce closed the connection, so it may have been done. | conflict | check_state | human
integrator | | another_org | The login leads to another org. | auth | mend_login | human
integrator | | unknown_currency | xxx is no currency that is known here | data | correct_amount | human
integrator | | unseen_value | The value map does not know paused | data | map_value | approve
integrator | | no_external_id | The record has no external id | data | mend_flow | human
integrator | | several_found | 3 records fit | duplicate | choose_record | human
integrator | | crashed | The worker was lost three times with this event | internal | report | human
| | | Read timed out. | transient | retry | auto
| | | HTTPSConnectionPool(host='api.stripe.com', port=443): Read timed out. (read timeout=10) | transient | retry | auto
| | | ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response')) | transient | retry | auto
| | | [Errno -2] Name or service not known | transient | retry | auto
| | | connect ECONNREFUSED 127.0.0.1:443 | transient | retry | auto
| | | Your name: Read timed out. | unknown | read_message | human
stripe | 400 | | Read timed out. | data | correct_data | human
salesforce | 400 | | Something nobody has seen | unknown | read_message | human
| | UNABLE_TO_LOCK_ROW | unable to obtain exclusive access to this record | lock | retry | auto
stripe | 400 | UNABLE_TO_LOCK_ROW | a code of the other system | unknown | read_message | human
hubspot | 503 | OVERLOADED | a system that is not known here | unknown | read_message | human
| | | | unknown | read_message | human
salesforce | 400 | CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY | record type missing for: Account | permission | grant_access | human
salesforce | 400 | CANNOT_EXECUTE_FLOW_TRIGGER | We can't save this record because the “Measure Field Updates” process failed. An unhandled fault has occurred while processing the flow. Error ID: 1405213620-33528 (-1704150698) | conflict | mend_org | human
salesforce | 403 | APEX_REST_SERVICES_DISABLED | Apex REST services are disabled | permission | grant_access | human
salesforce | 403 | FORBIDDEN | You do not have access to the Apex class named: LeanDataAPI | permission | grant_access | human
salesforce | 400 | INVALID_SIGNUP_COUNTRY | Invalid signup country: AX | data | correct_data | human
salesforce | 400 | CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY | hed.TDTM_Contact: execution of AfterInsert caused by: System.TypeException: Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking. | too_large | resend | approve
salesforce | 400 | EXCEEDED_ID_LIMIT | Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch | too_large | report | human
salesforce | 400 | OPERATION_TOO_LARGE | exceeded 100000 distinct ids | too_large | mend_flow | human
salesforce | 400 | EXCEEDED_MAX_SEMIJOIN_SUBSELECTS | maximum number of semijoin subselects exceeded | too_large | mend_flow | human
salesforce | 400 | MIXED_DML_OPERATION | DML operation on setup object is not permitted after you have updated a non-setup object (or vice versa): User, original object: Contact | conflict | mend_org | human
stripe | 400 | | A canceled subscription can only update its cancellation_details and metadata. | conflict | check_state | human
stripe | 400 | | You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, or invoice item with currency eur. | data | correct_amount | human
stripe | 400 | resource_missing | This customer has no attached payment source or default payment method. | declined | ask_customer | human
stripe | 400 | | The currency specified (gbp) does not match the currency on the source (eur). A payment can only be created for the same currency as the corresponding source. | data | correct_amount | human
stripe | 400 | | The currency of the selected prices (eur) does not match the customer currency (usd). | data | correct_amount | human
stripe | 400 | | You cannot use a PaymentMethod as a source for Customers. Instead, use the PaymentMethods API to attach a customer. | data | mend_flow | human
stripe | 400 | | You passed an empty string for 'expand'. We assume empty values are an attempt to unset a parameter; however 'expand' cannot be unset. | data | give_default | approve
stripe | 400 | | Must provide source or customer. | data | give_default | approve
stripe | 404 | resource_missing | No such subscription: 'sub_1abc' | missing_ref | check_state | human
salesforce | 400 | INVALIDJOB | Unable to find object for job | unknown | read_message | human
stripe | 400 | | You cannot update a subscription that is `canceled` or `incomplete_expired`. | conflict | check_state | human
stripe | 400 | | Refund amount ($25.00) is greater than unrefunded amount on charge ($21.45) | data | correct_amount | human
stripe | 400 | | Insufficient funds in your Stripe balance to refund this amount. | conflict | correct_amount | human
stripe | 400 | | You are creating accounts too quickly. | rate_limit | resend | approve
stripe | 400 | | This customer has no attached card | declined | ask_customer | human
stripe | 400 | | Stripe Tax has not been activated on your account. | permission | mend_account | human
stripe | 400 | | Its token was created with an API key in live mode and now it is used with one in test mode. | auth | mend_login | human
stripe | 400 | parameter_missing | Missing required param: amount. | data | correct_amount | human
stripe | 400 | a_code_of_tomorrow | You cannot update a subscription that is `canceled`. | unknown | read_message | human
salesforce | 400 | TXN_SECURITY_METERING_ERROR | Enabled transaction security policies took too long to complete. | transient | retry | auto
salesforce | 400 | TOO_MANY_APEX_REQUESTS | Too many concurrent requests | transient | retry | auto
salesforce | 404 | NOT_FOUND | Provided external ID field does not exist or is not accessible: Stripe_Id__c | schema | mend_org | human
salesforce | 400 | EXCEEDED_QUOTA | storage limit exceeded | too_large | mend_org | human
salesforce | 400 | OAUTH_APP_BLOCKED | this app is blocked by admin | auth | mend_login | human
salesforce | 415 | UNSUPPORTED_MEDIA_TYPE | Content type is not supported | internal | report | human
salesforce | 500 | sf:INVALID_LOGIN | INVALID_LOGIN: Invalid username, password, security token; or user locked out. | auth | mend_login | human
salesforce | | UNAUTHENTICATED | sfdc.platform.eventbus.grpc.service.auth.error: An authentication exception occurred. | auth | mend_login | human
salesforce | 400 | INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST | Currency ISO Code: bad value for restricted picklist field: HUF | data | correct_amount | human
stripe | 400 | invalid_request_error | You cannot update a subscription that is `canceled`. | conflict | check_state | human
stripe | 404 | | Unrecognized request URL (GET: /v1/invoice/in_1). | internal | report | human
stripe | | | HTTPSConnectionPool(host='api.stripe.com', port=443): Max retries exceeded (Caused by ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))) | auth | mend_login | human
salesforce | 400 | JSON_PARSER_ERROR | Cannot deserialize instance of currency from VALUE_STRING value 49,90 or request may be missing a required field at [line:1, column:35] | data | correct_amount | human
salesforce | 407 | | <html>Proxy Authentication Required</html> | auth | mend_login | human
salesforce | | MISSING_RECORD | record not found | missing_ref | correct_link | approve
salesforce | | | SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')) | transient | check_state | human
"""  # noqa: E501 - a table is read by its rows
# fmt: on
ROWS = [[part.strip() for part in line.split("|")] for line in CASES.strip().splitlines()]


@pytest.mark.parametrize(
    "row",
    ROWS,
    ids=[f"{number}-{row[2] or row[1] or 'nothing'}" for number, row in enumerate(ROWS, 1)],
)
def test_what_is_said_has_a_class_an_action_and_whom_to_ask(row):
    system, status, code, message, cls, action, autonomy = row

    verdict = classify(system, int(status) if status else None, code, message)

    assert (verdict.cls, verdict.action, verdict.autonomy) == (cls, action, autonomy)


def test_there_are_enough_cases_of_every_class_to_speak_of_a_catalogue():
    assert len(ROWS) >= 150
    assert {row[4] for row in ROWS} == {
        "transient", "rate_limit", "lock", "auth", "permission", "schema", "data", "missing_ref", "duplicate",
        "declined", "conflict", "too_large", "unknown", "internal",
    }  # fmt: skip
