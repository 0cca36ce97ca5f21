// pino to a file that does not grow without end: at 20 MB it is moved to FILE.1.
const fs = require("node:fs");

const pino = require("pino");

const LARGEST = 20e6;
const LOOK_MS = 60_000;

function logTo(file) {
  const destination = pino.destination({ dest: file, sync: true, mkdir: true });
  setInterval(() => {
    const status = fs.statSync(file, { throwIfNoEntry: false });
    if (status && status.size < LARGEST) return;
    if (status) fs.renameSync(file, `${file}.1`);
    destination.reopen(); // also where somebody has moved it away
  }, LOOK_MS).unref();
  return pino(destination);
}

module.exports = { logTo };
