// Asks a server through the stock web provider and prints what it got.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const baseUrl = process.argv[2];
const told = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode: errorCode ?? null });
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const statuses = [];
const fetchImplementation = async (...request) => {
  const response = await fetch(...request);
  statuses.push(response.status);
  return response;
};

await OpenFeature.setContext({ targetingKey: 'ada', plan: 'free' });
const provider = new OFREPWebProvider({ baseUrl, pollInterval: 100, fetchImplementation });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const seen = {
  flag: told(client.getBooleanDetails('flag', false)),
  text: told(client.getStringDetails('text', '')),
  whole: told(client.getNumberDetails('whole', 0)),
  real: told(client.getNumberDetails('real', 0)),
  object: told(client.getObjectDetails('object', {})),
  nothing: told(client.getNumberDetails('nothing', 42)),
  nope: told(client.getBooleanDetails('nope', false)),
  mismatch: told(client.getBooleanDetails('text', false)),
  broken: told(client.getBooleanDetails('broken', false)),
  free: told(client.getStringDetails('ruled', '')),
};
await pause(350);
await OpenFeature.setContext({ targetingKey: 'ada', plan: 'pro' });
seen.pro = told(client.getStringDetails('ruled', ''));
await OpenFeature.setContext({ plan: 'pro' });
seen.half_without_user = told(client.getBooleanDetails('half', false));
seen.statuses = [...statuses];
let error = null;
client.addHandler(ProviderEvents.Error, ({ message }) => { error = message; });
await OpenFeature.setContext({ a: { b: { c: { d: { e: 1 } } } } });
await pause(50);
seen.too_deep = { error, kept: client.getStringValue('ruled', '') };
await OpenFeature.setContext({ targetingKey: 'ada', plan: 'free' });

for (const status of ['401', '403']) {
  const refused = new OFREPWebProvider({ baseUrl, headers: [['X-API-Key', `${status}@1:web`]] });
  await OpenFeature.setProviderAndWait(status, refused).catch(() => {});
  seen[status] = OpenFeature.getClient(status).providerStatus;
}

statuses.length = 0;
const headers = [['X-API-Key', '429@2:web']];
await OpenFeature.setProviderAndWait('limited', new OFREPWebProvider({ baseUrl, pollInterval: 100, headers }));
const limited = OpenFeature.getClient('limited');
let stale = false;
limited.addHandler(ProviderEvents.Stale, () => { stale = true; });
await pause(500);
seen.limited = { stale, kept: limited.getBooleanValue('flag', false) };
await pause(1500);
seen.limited.after = limited.getBooleanValue('flag', false);
await OpenFeature.close();
console.log(JSON.stringify(seen));
process.exit(0);
