// Writes what npm's semver says of versions and ranges, as cases for tests/evaluation/test_semver.py:
//
//   npm install --prefix FOLDER semver@7.8.6
//   NODE_PATH=FOLDER/node_modules node tests/clients/semver.mjs > tests/cases/semver-npm.json

import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/`);
const semver = require("semver");
const { version } = require("semver/package.json");

const cores = [];
for (const major of [0, 1, 2, 10]) {
  for (const minor of [0, 2, 3]) {
    for (const patch of [0, 3, 4]) {
      cores.push(`${major}.${minor}.${patch}`);
    }
  }
}
const ends = ["", "-0", "-alpha", "-beta.2", "-beta.11", "-rc.1+build.5", "+build.7"];
const versions = cores.flatMap((core) => ends.map((end) => core + end));
const bases = cores.filter((core) => !core.startsWith("10.")).flatMap((core) => ["", "-beta.2", "-0"].map((end) => core + end));

const ranges = {};
for (const base of bases) {
  for (const sign of ["~", "^"]) {
    ranges[sign + base] = versions.filter((one) => semver.satisfies(one, sign + base));
  }
}
const ascending = [...versions].sort((one, other) => semver.compare(one, other));
const steps = ascending.slice(1).map((one, index) => semver.compare(ascending[index], one));
const made = `semver ${version} of npm on node ${process.version}`;
process.stdout.write(`${JSON.stringify({ made, ascending, steps, ranges }, null, 0).replaceAll('],"', '],\n"')}\n`);
