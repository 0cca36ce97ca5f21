// Stands in for a language model of somebody else's. The time of an answer is log-normal; its median and
// sigma are in model.json, from which the demo also makes up the weeks before the service first ran.
const { setTimeout: sleep } = require("node:timers/promises");

class ProviderError extends Error {}

function normal() {
  // Box and Muller; 1 - random() is never 0, of which there is no logarithm.
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function languageModel(settings) {
  return async function answer(route) {
    const { median_seconds, sigma, failed, tokens } = settings[route];
    const seconds = median_seconds * Math.exp(sigma * normal());
    await sleep(seconds * 1000);
    if (Math.random() < failed) throw new ProviderError(`no answer from the model for ${route}`);
    return { seconds, tokens: Math.round(tokens * (0.5 + Math.random())) };
  };
}

module.exports = { languageModel };
