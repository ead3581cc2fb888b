// A visitor of the demo's page in headless Chromium: buys, watches, cancels, loses the
// connection and comes back. Exits with 0 when everything was seen.
//
//   node page.mjs PAGE_URL ours|official [FOLDER_FOR_SCREENSHOTS]
//
// `official` runs the same page on the npm client in place of the page's own.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [url, client, folder] = process.argv.slice(2);
const PATIENCE_MS = 60_000;

const executablePath = process.env.PATH.split(':').map((dir) => `${dir}/chromium`).find(existsSync);
assert(executablePath, 'chromium is missing: `make test` installs it');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage({ viewport: { width: 1100, height: 900 }, colorScheme: 'light' });
page.setDefaultTimeout(PATIENCE_MS);

const faults = [];
page.on('pageerror', (error) => faults.push(String(error)));
page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
const sent = [];
page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload))));

// The page's sockets, so that one can be cut.
await page.addInitScript(() => {
  const sockets = [];
  window.cut = () => sockets.at(-1).close(3001, 'cut by the test');
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };
});
if (client === 'official') {
  const bundle = await readFile(new URL('node_modules/centrifuge/dist/centrifuge.js', import.meta.url), 'utf8');
  const body = `${bundle}\nexport const { Centrifuge } = globalThis;\n`;
  await page.route('**/demo/client.js', (route) => route.fulfill({ contentType: 'text/javascript', body }));
}

const card = (id) => page.locator(`.order[data-order="${id}"]`);
const reached = (id, status) => page.locator(`.order[data-order="${id}"][data-status=${status}]`).waitFor();
const linked = (state) => page.locator(`#link[data-state=${state}]`).waitFor();
const inventory = () => page.locator('#items li').evaluateAll((rows) =>
  Object.fromEntries(rows.map((row) => [row.dataset.sku, Number(row.querySelector('b').textContent)])));
const steps = (id) => card(id).locator('.steps li').evaluateAll((rows) =>
  rows.map((row) => [...row.children].map((part) => part.textContent)));
const shot = async (name) => { if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true }); };

async function until(what, look, expected) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    try {
      assert.deepEqual(seen, expected);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what}: ${error.message}`);
      await page.waitForTimeout(20);
    }
  }
}

/** Buys by a click and gives the order's number. */
async function buy(name) {
  const answer = page.waitForResponse((response) => response.url().endsWith('/demo/orders'));
  await page.getByRole('button', { name: `Buy ${name}` }).click();
  const { order, notice } = await (await answer).json();
  assert.equal(notice.code, 204);
  return order;
}

async function cancel(id) {
  await page.getByRole('button', { name: `Cancel order ${id}` }).click();
  await reached(id, 'canceled');
}

try {
  await page.goto(url);
  await linked('connected');

  // History tells of the order that the demo has played by itself.
  const first = await page.locator('.order').getAttribute('data-order');
  await reached(first, 'done');
  const before = { 'com.example.blade_ember': 1, 'com.example.crystals': 250 };
  await until('the played order is held', inventory, before);

  const chest = await buy('Starter chest');
  await reached(chest, 'done');
  await until('the chest is unpacked', inventory, {
    ...before, 'com.example.crystals': 350, 'com.example.potion': 3, 'com.example.shield_oak': 1,
  });
  await until('every step is told', async () => (await steps(chest)).map(([what]) => what), [
    'Order registered', 'Pushed: new', 'order_paid sent', 'Booked', 'Pushed: paid', 'Pushed: done',
  ]);
  const [, created, notice, booked, ...pushed] = await steps(chest);
  assert.match(notice[1], /204/);
  assert.match(booked[2], /^after \d+(\.\d)? ms$/);
  for (const [, , took] of [created, ...pushed]) assert.match(took, /^\+\d+(\.\d)? ms$/);
  await until('it is said aloud', () => page.locator('#said').textContent(), `Order ${chest}: done`);
  await shot(`${client}-light`);

  await cancel(chest);
  await until('what the chest held is gone', inventory, before);
  await until('the cancellation is told', async () => (await steps(chest)).slice(6).map(([what]) => what), [
    'order_canceled sent', 'Booked', 'Pushed: canceled',
  ]);

  // The connection is cut and cannot come back before the next order is done.
  let comeBack;
  const away = new Promise((resolve) => { comeBack = resolve; });
  await page.route('**/demo/session', async (route) => { await away; await route.continue(); });
  const asked = page.waitForRequest('**/demo/session');
  await page.evaluate(() => window.cut());
  await asked;
  sent.length = 0;
  const gift = await buy('Daily gift');
  const known = () => page.evaluate((id) => fetch(`/demo/orders/${id}`).then((answer) => answer.json()), gift);
  await until('the gift is granted', async () => (await known()).status, 'done');
  assert.equal(await card(gift).getAttribute('data-status'), '', 'nobody can have told the page');
  assert.equal(await page.locator('#link').getAttribute('data-state'), 'connecting');
  comeBack();
  await reached(gift, 'done');
  await linked('connected');
  await until('the gift is held', inventory, { ...before, 'com.example.potion': 1 });
  const [{ connect }] = sent;
  const [position] = Object.values(connect.subs);
  assert(position.recover && position.epoch, JSON.stringify(connect.subs));
  assert.equal(position.offset, 7, 'three rows of the played order, four of the chest');
  assert(!sent.some((command) => command.history), 'recovered, so there is nothing to look up');

  const shown = () => page.locator('.order').evaluateAll((cards) => cards.map((card) => card.dataset.order));
  await until('the newest order is on top', shown, [String(gift), String(chest), first]);

  // By keyboard alone.
  await page.getByRole('button', { name: `Cancel order ${gift}` }).focus();
  await page.keyboard.press('Enter');
  await reached(gift, 'canceled');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(`${client}-dark`);
  for (const width of [390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert(overflow <= 0, `${overflow} pixels too wide at ${width}`);
    await shot(`${client}-${width}-dark`);
    await page.emulateMedia({ colorScheme: 'light' });
    await shot(`${client}-${width}-light`);
  }

  await cancel(first);
  await until('nothing is left', inventory, {});
  await page.getByText('Empty.').waitFor();

  // A page that is opened anew knows it all from history.
  await page.reload();
  for (const id of [first, chest, gift]) await reached(id, 'canceled');
  await until('in the same order', shown, [String(gift), String(chest), first]);
  assert.deepEqual(faults, []);
} catch (error) {
  await shot(`${client}-failed`);
  console.error(error, faults);
  process.exitCode = 1;
} finally {
  await browser.close();
}
