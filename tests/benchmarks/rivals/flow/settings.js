// What an installation has by default, but for where it listens and how much it writes.
module.exports = {
    flowFile: "flows.json",
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.PORT),
    logging: { console: { level: "warn", metrics: false, audit: false } },
    telemetry: { enabled: false, updateNotification: false },
};
