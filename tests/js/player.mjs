// A game client in JavaScript: the snippet of Xsolla's page on the order status, word for
// word where it can be, on the official client. Tells every event as a line of JSON on
// standard output; ends when standard input does.
//
//   node player.mjs CONNECTION_URL '{"auth": "…", "project_id": 1, "user_external_id": "…"}'

import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

const [connectionURL, data] = process.argv.slice(2);
const tell = (event, fields) => console.log(JSON.stringify({ event, ...fields }));

const client = new Centrifuge(connectionURL, { data: JSON.parse(data), websocket: WebSocket });

client.on('connected', () => tell('connected', {}));
client.on('connecting', (ctx) => tell('connecting', { code: ctx.code, reason: ctx.reason }));
client.on('disconnected', (ctx) => tell('disconnected', { code: ctx.code, reason: ctx.reason }));
client.on('error', (ctx) => tell('error', { code: ctx.error.code, message: ctx.error.message }));

client.on('publication', (ctx) => tell('publication', { offset: ctx.offset, data: ctx.data }));

client.on('subscribed', function (ctx) {
  tell('subscribed', { channel: ctx.channel, recovered: ctx.recovered, wasRecovering: ctx.wasRecovering });
  client.history(ctx.channel, { limit: -1, since: { offset: 0 }, reverse: false }).then(function (resp) {
    tell('history', { publications: resp.publications.map(({ offset, data }) => ({ offset, data })) });
  }, function (err) {
    tell('history_error', { code: err.code, message: err.message });
  });
});

client.connect();

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
