// Answers of a rival's SDK of npm, run in a folder that has it: `node answers.mjs ENGINE < asked.json`.
// As `answers.py`: reads `{file, flags, contexts}`, prints a list of answers for each flag, one a line.

import { readFileSync, writeFileSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function launchdarkly({ file, flags, contexts }) {
  const ld = require("@launchdarkly/node-server-sdk");
  const { FileDataSourceFactory } = require("@launchdarkly/node-server-sdk/integrations");
  const path = join(mkdtempSync(join(tmpdir(), "sdk-")), "flags.json");
  writeFileSync(path, JSON.stringify(file));
  const source = new FileDataSourceFactory({ paths: [path] });
  const options = { updateProcessor: source.getFactory(), sendEvents: false, diagnosticOptOut: true, logger: silent };
  const client = ld.init("none", options);
  await client.waitForInitialization({ timeout: 20 });
  const found = [];
  for (const flag of flags) {
    const answers = [];
    for (const context of contexts) {
      answers.push((await client.variationDetail(flag, context, null)).variationIndex ?? null);
    }
    found.push(answers);
  }
  client.close();
  return found;
}

async function unleash({ file, flags, contexts }) {
  const { Unleash, InMemStorageProvider } = require("unleash-client");
  const client = new Unleash({
    appName: "burgee",
    url: "http://127.0.0.1:9/api",
    bootstrap: { data: file.features, segments: file.segments },
    storageProvider: new InMemStorageProvider(),
    disableMetrics: true,
    refreshInterval: 0,
    skipInstanceCountWarning: true,
  });
  client.on("error", () => {});
  client.on("warn", () => {});
  await new Promise((resolve) => client.once("ready", resolve));
  return flags.map((flag) =>
    contexts.map((context) => {
      const { enabled, name, feature_enabled: on, featureEnabled } = client.getVariant(flag, context);
      return [on ?? featureEnabled, enabled ? name : null];
    }),
  );
}

async function growthbook({ file, flags, contexts }) {
  const { GrowthBook } = require("@growthbook/growthbook");
  const client = new GrowthBook({ features: file.features, savedGroups: file.savedGroups });
  return flags.map((flag) =>
    contexts.map((attributes) => {
      client.setAttributes(attributes);
      return client.evalFeature(flag).value;
    }),
  );
}

const engines = { growthbook, launchdarkly, unleash };
const found = await engines[process.argv[2]](JSON.parse(readFileSync(0, "utf-8")));
process.stdout.write(found.map((answers) => JSON.stringify(answers) + "\n").join(""), () => process.exit(0));
