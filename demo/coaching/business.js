// Business events over HTTP, in batches, as docs/exporters-business.md shows it.
const { randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");

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
      if (answer?.ok) return;
      if (answer && answer.status < 500 && ![409, 429].includes(answer.status)) {
        log.error({ status: answer.status, refused: await answer.text() }, "events refused");
        return;
      }
      await sleep(1000 * Math.min(5, Number(answer?.headers.get("retry-after")) || 1));
    }
    log.error({ lost: batch.length }, "business events are lost");
  }

  return { event, send };
}

module.exports = { businessEvents };
