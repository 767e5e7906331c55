"""This module lists the objects with which an org sells, from the opportunity to the products of an order."""

from __future__ import annotations

from dataclasses import replace

from connectors.sandbox.salesforce.fields import (
    Field,
    SObject,
    address,
    choice,
    day,
    derived,
    flag,
    key,
    link,
    long_text,
    master,
    money,
    named,
    number,
    percent,
    text,
    whole,
)

SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
# Stage, its probability and its forecast category, as a new org has them.
STAGES: dict[str, tuple[int, str]] = {
    "Prospecting": (10, "Pipeline"),
    "Qualification": (10, "Pipeline"),
    "Needs Analysis": (20, "Pipeline"),
    "Value Proposition": (50, "Pipeline"),
    "Id. Decision Makers": (60, "Pipeline"),
    "Perception Analysis": (70, "Pipeline"),
    "Proposal/Price Quote": (75, "Pipeline"),
    "Negotiation/Review": (90, "Pipeline"),
    "Closed Won": (100, "Closed"),
    "Closed Lost": (0, "Omitted"),
}


def _product_of(parent: str, relation: str) -> tuple[Field, ...]:
    """Return what an opportunity's and an order's products have alike: whose they are, and what is sold."""
    return (
        replace(master(f"{parent}Id", parent), children=relation, updateable=False),
        replace(link("PricebookEntryId", "PricebookEntry", required=True), updateable=False),
        replace(link("Product2Id", "Product2"), createable=False, updateable=False),
        derived("ProductCode", "string", length=255),
        replace(number("Quantity", 12, 2), nillable=False),
        derived("ListPrice", "currency", precision=18, scale=2),
        day("ServiceDate"),
        text("Description"),
    )


OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        link("AccountId", "Account"),
        link("Pricebook2Id", "Pricebook2"),
        flag("IsPrivate"),
        named(120, id_lookup=True),
        long_text("Description"),
        choice("StageName", *STAGES, required=True),
        money("Amount", 18, 2),
        percent("Probability", defaulted=True),
        derived("ExpectedRevenue", "currency", precision=18, scale=2),
        number("TotalOpportunityQuantity"),
        day("CloseDate", required=True),
        choice("Type", "Existing Customer - Upgrade", "Existing Customer - Downgrade", "New Customer"),
        text("NextStep"),
        choice("LeadSource", *SOURCES),
        derived("IsClosed", "boolean"),
        derived("IsWon", "boolean"),
        replace(
            derived("ForecastCategory", "picklist", length=40), choices=("Omitted", "Pipeline", "Closed")
        ),
        replace(
            choice(
                "ForecastCategoryName",
                "Omitted",
                "Pipeline",
                "Best Case",
                "Commit",
                "Closed",
                restricted=True,
            ),
            defaulted=True,
        ),
        derived("HasOpportunityLineItem", "boolean"),
        replace(link("ContactId", "Contact"), updateable=False, relationship=""),
        derived("LastActivityDate", "date"),
        derived("LastStageChangeDate", "datetime"),
        derived("FiscalYear", "int"),
        derived("FiscalQuarter", "int"),
        derived("Fiscal", "string", length=6),
        key("Integration_Key__c"),
        flag("Send_Payment_Link__c"),
        text("Stripe_Payment_Link__c", kind="url"),
        text("Stripe_Subscription_ID__c"),
        text("Payment_Status__c", 40),
    ),
)

ORDER = SObject(
    "Order",
    "801",
    (
        link("ContractId", "Contract"),
        link("AccountId", "Account", required=True),
        link("OriginalOrderId", "Order"),
        link("OpportunityId", "Opportunity"),
        day("EffectiveDate", required=True),
        day("EndDate"),
        link("Pricebook2Id", "Pricebook2"),
        replace(flag("IsReductionOrder"), updateable=False),
        choice("Status", "Draft", "Activated", length=40, required=True),
        long_text("Description"),
        link("BillToContactId", "Contact"),
        link("ShipToContactId", "Contact"),
        day("PoDate"),
        text("PoNumber", 80),
        text("OrderReferenceNumber", 80),
        choice("Type", "New", "Renewal", length=40),
        *address("BillingAddress"),
        *address("ShippingAddress"),
        text("Name", 80),
        derived("ActivatedDate", "datetime"),
        replace(derived("StatusCode", "picklist", length=40), choices=("Draft", "Activated")),
        replace(
            derived("OrderNumber", "string", length=30),
            name_field=True,
            auto_number=True,
            nillable=False,
            defaulted=True,
            id_lookup=True,
        ),
        derived("TotalAmount", "currency", precision=18, scale=2),
        key("Integration_Key__c"),
        text("Stripe_Subscription_ID__c"),
        text("Subscription_Status__c", 40),
        text("Payment_Status__c", 40),
    ),
)

OPPORTUNITY_PRODUCT = SObject(
    "OpportunityLineItem",
    "00k",
    (
        *_product_of("Opportunity", "OpportunityLineItems"),
        replace(derived("Name", "string", length=376), name_field=True),
        whole("SortOrder"),
        money("UnitPrice", 18, 2),
        money("TotalPrice", 18, 2),
        derived("Subtotal", "currency", precision=18, scale=2),
        percent("Discount", 5, 2),
    ),
    label="Opportunity Product",
    owned=False,
)

ORDER_PRODUCT = SObject(
    "OrderItem",
    "802",
    (
        *_product_of("Order", "OrderItems"),
        replace(
            derived("OrderItemNumber", "string", length=30),
            name_field=True,
            auto_number=True,
            nillable=False,
            defaulted=True,
        ),
        link("OriginalOrderItemId", "OrderItem"),
        derived("AvailableQuantity", "double", precision=12, scale=2),
        replace(money("UnitPrice", 18, 2), nillable=False),
        derived("TotalPrice", "currency", precision=18, scale=2),
        day("EndDate"),
    ),
    label="Order Product",
    owned=False,
)

CONTRACT = SObject(
    "Contract",
    "800",
    (
        link("AccountId", "Account", required=True),
        link("Pricebook2Id", "Pricebook2"),
        replace(
            choice("Status", "Draft", "In Approval Process", "Activated", length=40),
            defaulted=True,
            default="Draft",
        ),
        replace(derived("StatusCode", "picklist", length=40), choices=("Draft", "InApproval", "Activated")),
        day("StartDate"),
        derived("EndDate", "date"),
        whole("ContractTerm"),
        derived("ActivatedDate", "datetime"),
        day("CustomerSignedDate"),
        long_text("SpecialTerms", 4_000),
        long_text("Description"),
        replace(
            derived("ContractNumber", "string", length=30),
            name_field=True,
            auto_number=True,
            nillable=False,
            defaulted=True,
            id_lookup=True,
        ),
    ),
)
PRODUCT = SObject(
    "Product2",
    "01t",
    (
        named(255),
        text("ProductCode"),
        long_text("Description", 4_000),
        flag("IsActive"),
        text("Family", 40),
        text("StockKeepingUnit", 180),
        key("External_ID__c"),
    ),
    label="Product",
    plural="Products",
    owned=False,
)
PRICEBOOK = SObject(
    "Pricebook2",
    "01s",
    (named(255), flag("IsActive"), derived("IsStandard", "boolean"), long_text("Description", 4_000)),
    label="Price Book",
    plural="Price Books",
    owned=False,
)
PRICEBOOK_ENTRY = SObject(
    "PricebookEntry",
    "01u",
    (
        replace(derived("Name", "string", length=255), name_field=True),
        derived("ProductCode", "string", length=255),
        replace(link("Pricebook2Id", "Pricebook2", required=True), updateable=False),
        replace(link("Product2Id", "Product2", required=True), updateable=False),
        replace(money("UnitPrice", 18, 2), nillable=False),
        flag("IsActive"),
        flag("UseStandardPrice"),
        key("Stripe_Price_ID__c"),
    ),
    label="Price Book Entry",
    plural="Price Book Entries",
    owned=False,
)

OBJECTS = (
    CONTRACT,
    OPPORTUNITY,
    OPPORTUNITY_PRODUCT,
    ORDER,
    ORDER_PRODUCT,
    PRICEBOOK,
    PRICEBOOK_ENTRY,
    PRODUCT,
)
