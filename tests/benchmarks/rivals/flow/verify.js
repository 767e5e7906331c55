// Verifies the signature over the raw bytes, as Stripe describes it, and answers what is wrong with 400.
const header = String(msg.req.headers["stripe-signature"] || "");
const parts = header.split(",").map((part) => part.split("="));
const stamp = (parts.find(([name]) => name === "t") || [])[1];
const signatures = parts.filter(([name]) => name === "v1").map(([, value]) => value);
const expected = crypto
    .createHmac("sha256", env.get("STRIPE_SECRET"))
    .update(stamp + ".")
    .update(msg.payload)
    .digest();
const same = (given) => {
    const bytes = Buffer.from(given, "hex");
    return bytes.length === expected.length && crypto.timingSafeEqual(bytes, expected);
};
const fresh = Math.abs(Date.now() / 1000 - Number(stamp)) <= 300;
if (!fresh || !signatures.some(same)) {
    msg.statusCode = 400;
    msg.payload = "";
    return [msg, null];
}
msg.payload = JSON.parse(msg.payload);
if (env.get("ANSWER_AT_ONCE") === "1") {
    return [{ req: msg.req, res: msg.res, statusCode: 200, payload: "" }, msg];
}
return [null, msg];
