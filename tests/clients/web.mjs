// Asks a server through the stock web provider and prints what it got.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const baseUrl = process.argv[2];
const details = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode: errorCode ?? null });
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const patience = 20_000;
const until = async (holds) => {
  const end = Date.now() + patience;
  while (!holds() && Date.now() < end) await pause(10);
};
// A provider and the statuses that its requests were answered with.
const watched = (options) => {
  const statuses = [];
  const fetchImplementation = async (...request) => {
    const response = await fetch(...request);
    statuses.push(response.status);
    return response;
  };
  return [new OFREPWebProvider({ baseUrl, fetchImplementation, ...options }), statuses];
};

const ada = { targetingKey: 'ada', plan: 'free' };
await OpenFeature.setContext(ada);
const [polling, polled] = watched({ pollInterval: 100 });
await OpenFeature.setProviderAndWait('polling', polling);
await until(() => polled.length >= 3);
await polling.onClose();
// Without polling, a request is made for each context and no other.
const [provider, statuses] = watched({ pollInterval: 0 });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const seen = {
  flag: details(client.getBooleanDetails('flag', false)),
  text: details(client.getStringDetails('text', '')),
  whole: details(client.getNumberDetails('whole', 0)),
  real: details(client.getNumberDetails('real', 0)),
  object: details(client.getObjectDetails('object', {})),
  nothing: details(client.getNumberDetails('nothing', 42)),
  nope: details(client.getBooleanDetails('nope', false)),
  mismatch: details(client.getBooleanDetails('text', false)),
  broken: details(client.getBooleanDetails('broken', false)),
  free: details(client.getStringDetails('ruled', '')),
};
await OpenFeature.setContext(ada);
await OpenFeature.setContext({ targetingKey: 'ada', plan: 'pro' });
seen.pro = details(client.getStringDetails('ruled', ''));
await OpenFeature.setContext({ plan: 'pro' });
seen.half_without_user = details(client.getBooleanDetails('half', false));
seen.polled = polled.slice(0, 3);
seen.statuses = [...statuses];
let error = null;
client.addHandler(ProviderEvents.Error, ({ message }) => { error = message; });
await OpenFeature.setContext({ a: { b: { c: { d: { e: 1 } } } } });
await until(() => error !== null);
seen.too_deep = { error, kept: client.getStringValue('ruled', '') };
await OpenFeature.setContext({ targetingKey: 'ada', plan: 'free' });

for (const status of ['401', '403']) {
  const refused = new OFREPWebProvider({ baseUrl, headers: [['X-API-Key', `${status}@1:web`]] });
  await OpenFeature.setProviderAndWait(status, refused).catch(() => {});
  seen[status] = OpenFeature.getClient(status).providerStatus;
}

// One limit that does not end while this runs, and one that does.
for (const key of ['429@2+3600', '429@2']) {
  const [limited, statuses] = watched({ pollInterval: 100, headers: [['X-API-Key', `${key}:web`]] });
  let stale = false;
  await OpenFeature.setProviderAndWait(key, limited);
  const asking = OpenFeature.getClient(key);
  asking.addHandler(ProviderEvents.Stale, () => { stale = true; });
  await until(() => stale);
  if (key === '429@2') await until(() => statuses.length >= 3);
  else await pause(500);
  await limited.onClose();
  seen[key] = { stale, kept: asking.getBooleanValue('flag', false), statuses: statuses.slice(0, 3) };
}
await OpenFeature.close();
console.log(JSON.stringify(seen));
process.exit(0);
