// Tells the sender how it went, unless it was told before; what is not 2xx is sent again.
if (env.get("ANSWER_AT_ONCE") === "1") {
    return null;
}
msg.statusCode = !msg.error && msg.statusCode >= 200 && msg.statusCode < 300 ? 200 : 503;
msg.payload = "";
msg.headers = {};
return msg;
