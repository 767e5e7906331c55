// Maps ten fields of a charge, and asks for the record to be saved by its external id.
const charge = msg.payload.data.object;
const whole = ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];
const status = { succeeded: "Completed", failed: "Failed", pending: "Pending" }[charge.status];
if (status === undefined) {
    throw new Error("The status " + charge.status + " is not known");
}
const card = (charge.payment_method_details || {}).card || {};
const major = (amount) => (whole.includes(charge.currency) ? amount : amount / 100);
msg.url = env.get("SALESFORCE_URL") + "/services/data/v67.0/sobjects/Payment__c/External_ID__c/" + charge.id;
msg.method = "PATCH";
msg.headers = { "content-type": "application/json", authorization: "Bearer " + env.get("SALESFORCE_TOKEN") };
msg.payload = {
    Name: charge.id,
    Amount__c: major(charge.amount),
    Refunded_Amount__c: major(charge.amount_refunded),
    Currency__c: charge.currency.toUpperCase(),
    Status__c: status,
    Paid_At__c: status === "Completed" ? new Date(charge.created * 1000).toISOString() : null,
    Failure_Message__c: charge.failure_message ? charge.failure_message.slice(0, 255) : null,
    Order_ID__c: charge.metadata.order_id || null,
    Card_Brand__c: card.brand || null,
    Livemode__c: charge.livemode,
};
return msg;
