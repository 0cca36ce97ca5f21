// A coach who answers: a web service in express, measured by OpenTelemetry, logging with pino.
//
//   node service.js LOG_FILE EVENTS_URL TOKEN_FILE
//
// Listens on free ports of 127.0.0.1 and prints them: {"service": PORT, "metrics": PORT}.
const { exporter } = require("./telemetry");

const fs = require("node:fs");
const http = require("node:http");

const express = require("express");
const pino = require("pino");

const { businessEvents } = require("./business");

const [logFile, eventsUrl, tokenFile] = process.argv.slice(2);
const log = pino(pino.destination({ dest: logFile, sync: true }));
const business = businessEvents(eventsUrl, fs.readFileSync(tokenFile, "utf8").trim(), log);
const app = express();

app.use((request, response, next) => {
  const started = process.hrtime.bigint();
  response.on("finish", () => {
    const responseTime = Number(process.hrtime.bigint() - started) / 1e6;
    const level = response.statusCode >= 500 ? "error" : "info";
    log[level](
      {
        req: { method: request.method, url: request.originalUrl },
        res: { statusCode: response.statusCode },
        responseTime,
        err: response.locals.err,
      },
      response.locals.err ? response.locals.err.message : "request completed",
    );
  });
  next();
});

app.get("/advice/:topic", (request, response) => {
  business.event("coaching_session", { user: request.params.topic, seconds: 0.2, tokens: 40 });
  response.json({ topic: request.params.topic });
});

app.post("/sessions/:id/end", (request) => {
  business.event("coaching_session", { outcome: "failed", reason: "provider_error" });
  throw new Error(`session ${request.params.id} has no model`);
});

// eslint-disable-next-line no-unused-vars -- express knows an error handler by its four parameters
app.use((error, _request, response, _next) => {
  response.locals.err = error;
  response.status(500).json({ error: "the coach is not well" });
});

// Made by hand, and not by the exporter, which cannot be asked for a free port.
const metrics = http.createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
const service = app.listen(0, "127.0.0.1", () => {
  metrics.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ service: service.address().port, metrics: metrics.address().port }));
  });
});

setInterval(business.send, 200).unref();

process.on("SIGTERM", async () => {
  await business.send();
  process.exit(0);
});
