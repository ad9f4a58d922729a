// Asks a server through the stock web provider and prints what it got.
import { OpenFeature } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const told = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode: errorCode ?? null });
const statuses = [];
const fetchImplementation = async (...request) => {
  const response = await fetch(...request);
  statuses.push(response.status);
  return response;
};

await OpenFeature.setContext({ targetingKey: 'ada', plan: 'free' });
const provider = new OFREPWebProvider({ baseUrl: process.argv[2], pollInterval: 100, fetchImplementation });
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
  free: told(client.getStringDetails('ruled', '')),
};
await new Promise((done) => setTimeout(done, 350));
await OpenFeature.setContext({ targetingKey: 'ada', plan: 'pro' });
seen.pro = told(client.getStringDetails('ruled', ''));
await OpenFeature.setContext({ plan: 'pro' });
seen.half_without_user = told(client.getBooleanDetails('half', false));
seen.statuses = statuses;
await OpenFeature.close();
console.log(JSON.stringify(seen));
process.exit(0);
