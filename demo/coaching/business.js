// Business events over HTTP, in batches, as docs/exporters-business.md shows it.
const { randomUUID } = require("node:crypto");

const MOST_WAITING = 10000;
const LARGEST_BATCH = 1000;

function businessEvents(url, token, log) {
  let waiting = [];

  function event(name, details = {}) {
    if (waiting.length < MOST_WAITING) waiting.push({ event: name, ...details });
  }

  async function send() {
    const batch = waiting.splice(0, LARGEST_BATCH);
    if (batch.length === 0) return;
    const headers = {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      "Idempotency-Key": randomUUID(),
    };
    const request = { method: "POST", headers, body: JSON.stringify(batch) };
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = await fetch(`${url}/api/v1/events`, {
        ...request,
        signal: AbortSignal.timeout(5000),
      }).catch(() => null);
      if (answer && answer.status === 422) log.error({ refused: await answer.text() }, "events refused");
      if (answer && answer.status !== 429 && answer.status < 500) return;
    }
    log.error({ lost: batch.length }, "business events are lost");
  }

  return { event, send };
}

module.exports = { businessEvents };
