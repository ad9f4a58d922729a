// Asks a server through the stock server provider and prints what it got.
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const told = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode: errorCode ?? null });
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.argv[2] }));
const client = OpenFeature.getClient();
const ada = { targetingKey: 'ada', plan: 'free' };
console.log(JSON.stringify({
  flag: told(await client.getBooleanDetails('flag', false, ada)),
  text: told(await client.getStringDetails('text', '', ada)),
  whole: told(await client.getNumberDetails('whole', 0, ada)),
  real: told(await client.getNumberDetails('real', 0, ada)),
  object: told(await client.getObjectDetails('object', {}, ada)),
  nope: told(await client.getBooleanDetails('nope', false, ada)),
  mismatch: told(await client.getBooleanDetails('text', false, ada)),
  half_without_user: told(await client.getBooleanDetails('half', false, {})),
  free: told(await client.getStringDetails('ruled', '', ada)),
  pro: told(await client.getStringDetails('ruled', '', { ...ada, plan: 'pro' })),
}));
process.exit(0);
