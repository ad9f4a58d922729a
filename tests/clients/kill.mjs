// Kills a flag while a page of the stock web client is open, with its defaults and with the options that our pages give.
import { OpenFeature } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const baseUrl = process.argv[2];
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const until = async (holds) => {
  const end = Date.now() + 20_000;
  while (!holds() && Date.now() < end) await pause(20);
};
// What a browser keeps between two visits; Node has none.
const kept = new Map();
globalThis.localStorage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => void kept.set(name, value),
  removeItem: (name) => void kept.delete(name),
};
const operate = async (what) => {
  const done = await fetch(`${baseUrl}/flags/flag/${what}`, { method: 'POST', headers: { 'X-Burgee-Reason': 'a test' } });
  if (!done.ok) throw new Error(await done.text());
};
const visit = async (domain, options) => {
  const provider = new OFREPWebProvider({ baseUrl, ...options });
  await OpenFeature.setProviderAndWait(domain, provider);
  const client = OpenFeature.getClient(domain);
  return { provider, answer: () => client.getBooleanDetails('flag', false) };
};
const leave = async (domain, page) => {
  await page.provider.onClose?.();
  await OpenFeature.clearProviders();
};

await OpenFeature.setContext({ targetingKey: 'ada' });
const seen = {};
for (const [name, options] of Object.entries({
  defaults: {},
  advised: { pollInterval: 100, cacheMode: 'network-first' },
})) {
  kept.clear();
  const open = await visit('shop', options);
  seen[name] = { before: open.answer().value };
  await operate('kill');
  if (name === 'advised') await until(() => !open.answer().value);
  else await pause(1500);
  seen[name].open = open.answer().value;
  if (name === 'advised') {
    await operate('unkill');
    await until(() => open.answer().value);
    await open.provider.onClose?.();
    await operate('kill');
  }
  await leave('shop', open);
  const back = await visit('shop', options);
  seen[name].back = { value: back.answer().value, reason: back.answer().reason };
  await until(() => !back.answer().value);
  seen[name].then = back.answer().value;
  await leave('shop', back);
  await operate('unkill');
}
console.log(JSON.stringify(seen));
process.exit(0);
