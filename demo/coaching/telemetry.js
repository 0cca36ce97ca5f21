// OpenTelemetry's own SDK, loaded before express so that it can instrument it.
// Stable HTTP conventions: seconds and http.route, the names that Specter's rules read.
process.env.OTEL_SEMCONV_STABILITY_OPT_IN = "http";

const { context } = require("@opentelemetry/api");
const { AsyncLocalStorageContextManager } = require("@opentelemetry/context-async-hooks");
const { PrometheusExporter } = require("@opentelemetry/exporter-prometheus");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { MeterProvider } = require("@opentelemetry/sdk-metrics");

const { name, version } = require("./package.json");

// Scrapes and probes are no visitors' requests.
const UNMEASURED = new Set(["/metrics", "/healthz"]);

// By it express tells the HTTP instrumentation which route was taken: without one there is no http_route.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });

const meterProvider = new MeterProvider({
  resource: resourceFromAttributes({ "service.name": name, "service.version": version }),
  readers: [exporter],
});

registerInstrumentations({
  meterProvider,
  instrumentations: [
    new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => UNMEASURED.has(request.url) }),
    new ExpressInstrumentation(),
  ],
});

module.exports = { exporter, UNMEASURED };
