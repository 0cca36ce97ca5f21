// A coach who answers: a web service in express, measured by OpenTelemetry, logging with pino.
//
// The environment says the rest:
//   COACHING_LISTEN      HOST:PORT; with port 0 a free one is taken, and printed: {"port": PORT}
//   COACHING_LOG_FILE    where the log goes
//   COACHING_EVENTS_URL  where business events go
//   COACHING_TOKEN_FILE  file with the token for them
//   COACHING_MODEL_FILE  how the language model answers; default: model.json beside this file
const { exporter, UNMEASURED } = require("./telemetry");

const fs = require("node:fs");
const path = require("node:path");

const express = require("express");

const { businessEvents } = require("./business");
const { logTo } = require("./log");
const { languageModel } = require("./model");

const {
  COACHING_LISTEN = "127.0.0.1:0",
  COACHING_LOG_FILE,
  COACHING_EVENTS_URL,
  COACHING_TOKEN_FILE,
  COACHING_MODEL_FILE = path.join(__dirname, "model.json"),
} = process.env;

const log = logTo(COACHING_LOG_FILE);
const token = fs.readFileSync(COACHING_TOKEN_FILE, "utf8").trim();
const business = businessEvents(COACHING_EVENTS_URL, token, log);
const ask = languageModel(JSON.parse(fs.readFileSync(COACHING_MODEL_FILE, "utf8")));
const app = express();

app.use((request, response, next) => {
  if (UNMEASURED.has(request.url)) return next();
  const started = process.hrtime.bigint();
  response.on("finish", () => {
    const responseTime = Number(process.hrtime.bigint() - started) / 1e6;
    const { err } = response.locals;
    log[err ? "error" : "info"](
      {
        req: { method: request.method, url: request.originalUrl },
        res: { statusCode: response.statusCode },
        responseTime,
        err,
      },
      err ? err.message : "request completed",
    );
  });
  next();
});

app.get("/healthz", (_request, response) => response.json({ status: "ok" }));
app.get("/metrics", (request, response) => exporter.getMetricsRequestHandler(request, response));

// Where the model does not answer, the coach has an advice ready: the visitor sees no error, the business does.
app.get("/advice/:topic", async (request, response) => {
  const { topic } = request.params;
  try {
    const { seconds, tokens } = await ask("/advice/:topic");
    business.event("coaching_session", { seconds, tokens });
    response.json({ topic, from: "model" });
  } catch (error) {
    business.event("coaching_session", { outcome: "failed", reason: "provider_error" });
    response.locals.err = error;
    response.json({ topic, from: "the prepared ones" });
  }
});

// A summary cannot be prepared.
app.post("/sessions/:id/end", async (request, response) => {
  try {
    const { seconds, tokens } = await ask("/sessions/:id/end");
    business.event("coaching_session", { seconds, tokens });
    response.json({ session: request.params.id, tokens });
  } catch (error) {
    business.event("coaching_session", { outcome: "failed", reason: "provider_error" });
    throw error;
  }
});

// eslint-disable-next-line no-unused-vars -- express knows an error handler by its four parameters
app.use((error, _request, response, _next) => {
  response.locals.err = error;
  // What express itself refuses, a broken escape in a path for example, is the visitor's mistake.
  const status = error.status >= 400 && error.status < 500 ? error.status : 500;
  response.status(status).json({ error: status === 500 ? "the coach is not well" : "not understood" });
});

const [, host, port] = COACHING_LISTEN.match(/^(.*):(\d+)$/);
const server = app.listen(Number(port), host, (error) => {
  if (error) throw error;
  console.log(JSON.stringify({ port: server.address().port }));
});

setInterval(business.send, 200).unref();

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, async () => {
    await business.send();
    process.exit(0);
  });
}
