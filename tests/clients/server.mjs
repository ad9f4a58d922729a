// Asks a server through the stock server provider and prints what it got.
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const baseUrl = process.argv[2];
const details = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode: errorCode ?? null });
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function clientOf(domain, key) {
  const headers = key ? [['X-API-Key', `${key}:server`]] : [];
  await OpenFeature.setProviderAndWait(domain, new OFREPProvider({ baseUrl, headers }));
  return OpenFeature.getClient(domain);
}

const client = await clientOf('plain');
const ada = { targetingKey: 'ada', plan: 'free' };
const seen = {
  flag: details(await client.getBooleanDetails('flag', false, ada)),
  text: details(await client.getStringDetails('text', '', ada)),
  whole: details(await client.getNumberDetails('whole', 0, ada)),
  real: details(await client.getNumberDetails('real', 0, ada)),
  object: details(await client.getObjectDetails('object', {}, ada)),
  nope: details(await client.getBooleanDetails('nope', false, ada)),
  mismatch: details(await client.getBooleanDetails('text', false, ada)),
  half_without_user: details(await client.getBooleanDetails('half', false, {})),
  broken: details(await client.getBooleanDetails('broken', false, ada)),
  too_deep: details(await client.getBooleanDetails('flag', false, { a: { b: { c: { d: { e: 1 } } } } })),
  free: details(await client.getStringDetails('ruled', '', ada)),
  pro: details(await client.getStringDetails('ruled', '', { ...ada, plan: 'pro' })),
};
for (const status of ['401', '403']) {
  const refused = await clientOf(status, `${status}@1`);
  seen[status] = details(await refused.getBooleanDetails('flag', false, ada));
}
const limited = await clientOf('limited', '429@2');
seen.limited = [];
for (const wait of [0, 0, 0, 1200]) {
  await pause(wait);
  seen.limited.push((await limited.getBooleanDetails('flag', false, ada)).value);
}
console.log(JSON.stringify(seen));
process.exit(0);
