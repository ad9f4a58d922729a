// Which of several secrets verify a message, by the JavaScript library of Standard Webhooks.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { secrets, fields, body } = JSON.parse(readFileSync(0, "utf8"));
const verified = secrets.map((secret) => {
  try {
    return new Webhook(secret).verify(body, fields);
  } catch {
    return null;
  }
});
console.log(JSON.stringify(verified));
