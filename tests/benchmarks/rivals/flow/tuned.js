// What somebody sets who wants it fast: no editor, no diagnostics, no state of the runtime, next to no log.
module.exports = {
    flowFile: "flows.json",
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.PORT),
    httpAdminRoot: false,
    disableEditor: true,
    diagnostics: { enabled: false, ui: false },
    runtimeState: { enabled: false, ui: false },
    contextStorage: { default: { module: "memory" } },
    logging: { console: { level: "fatal", metrics: false, audit: false } },
    telemetry: { enabled: false, updateNotification: false },
};
