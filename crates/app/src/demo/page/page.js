// The shop, the orders and the inventory. Everything that is shown of an order's status came
// over the WebSocket; the rest is asked of the server that this page came from.

import { Centrifuge } from './client.js';

const ORDERS_SHOWN = 6;

const $ = (id) => document.getElementById(id);
const orders = new Map(); // id -> what is known of it, oldest first

async function ask(path, body) {
  const options = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error);
  return json;
}

function say(text) {
  $('said').textContent = text;
}

function complain(text) {
  $('fault').textContent = text;
  $('fault').hidden = false;
}

function show(state, text) {
  $('link').dataset.state = state;
  $('link').textContent = text;
}

const ms = (number) => `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;
const times = ({ name, quantity }) => (quantity === 1 ? name : `${quantity} × ${name}`);

// ---- orders

function orderOf(id) {
  let order = orders.get(id);
  if (!order) {
    order = { id, name: '', offset: 0, status: '', heard: {}, clicks: {}, answers: {}, notices: [], card: null };
    orders.set(id, order);
    $('no-orders').hidden = true;
  }
  return order;
}

// Rows of history come again with every connection; only a later one says anything new.
function hear({ data, offset }, isLive) {
  const order = orderOf(data.order_id);
  if (offset <= order.offset) return;
  order.offset = offset;
  order.status = data.status;
  order.heard[data.status] = performance.now();
  draw(order);
  if (!isLive) return;
  say(`Order ${order.id}: ${order.status}`);
  if (order.status === 'done' || order.status === 'canceled') learn(order);
}

let learning = Promise.resolve();

// What the ledger knows by now. One order after the other, however many there are.
function learn(order) {
  learning = learning.then(async () => {
    await Promise.all([askOrder(order), askInventory()]);
  }).catch((fault) => complain(fault.message));
}

async function askOrder(order) {
  if (!isShown(order)) return;
  const { items, notices } = await ask(`/demo/orders/${order.id}`);
  order.name ||= items.map(times).join(', ');
  order.notices = notices;
  draw(order);
}

async function askInventory() {
  const { items } = await ask('/demo/inventory');
  $('no-items').hidden = items.length > 0;
  $('items').replaceChildren(...items.map((item) => {
    const row = document.createElement('li');
    row.dataset.sku = item.sku;
    row.append(item.name, Object.assign(document.createElement('b'), { textContent: item.quantity }));
    return row;
  }));
}

const newest = () => [...orders.values()].reverse().slice(0, ORDERS_SHOWN);
const isShown = (order) => newest().includes(order);

function draw(order) {
  if (!order.card) make(order);
  const { card, status, heard, clicks } = order;
  card.dataset.status = status;
  card.querySelector('h3').textContent = order.name || 'Order';
  card.querySelector('.number').textContent = `No. ${order.id}`;
  for (const step of card.querySelectorAll('.track li')) {
    const name = step.dataset.status;
    const clicked = name === 'canceled' ? clicks.cancel : clicks.buy;
    step.classList.toggle('reached', name in heard);
    if (name === status) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
    step.querySelector('small').textContent = name in heard && clicked ? `+${ms(heard[name] - clicked)}` : '';
  }
  const button = card.querySelector('button');
  button.disabled = status === 'canceled';
  button.textContent = status === 'canceled' ? 'Canceled' : 'Cancel';
  card.querySelector('.steps').replaceChildren(...steps(order).map(row));
}

function make(order) {
  order.card = $('order').content.firstElementChild.cloneNode(true);
  order.card.dataset.order = order.id;
  const button = order.card.querySelector('button');
  button.setAttribute('aria-label', `Cancel order ${order.id}`);
  button.addEventListener('click', () => cancel(order));
  $('order-list').replaceChildren(...newest().map((shown) => shown.card).filter(Boolean));
}

function steps(order) {
  const { answers: { buy, cancel } } = order;
  const rows = [];
  if (buy) rows.push(['Order registered', 'the game server told the api', `in ${ms(buy.registered.ms)}`]);
  rows.push(...pushes(order, 'buy', ['new']), ...noticed(order, 'order_paid', buy?.notice), ...pushes(order, 'buy', ['paid', 'done']));
  return rows.concat(noticed(order, 'order_canceled', cancel?.notice), pushes(order, 'cancel', ['canceled']));
}

// Sent, confirmed, booked. What another page has sent, this one knows from the ledger alone.
function noticed({ notices }, kind, sent) {
  const rows = [];
  if (sent) {
    const meaning = sent.code === 204 ? 'answered 204, the queue holds it durably' : `answered ${sent.code}, Xsolla would send it again`;
    rows.push([`${kind} sent`, meaning, `in ${ms(sent.ms)}`]);
  }
  for (const { outcome, reason, booked_at } of notices.filter((known) => known.kind === kind)) {
    const after = sent && booked_at ? `after ${ms(booked_at - sent.sent_at)}` : '';
    rows.push([outcome === 'booked' ? 'Booked' : outcome.replace('_', '-'), reason ?? 'by the worker, in the ledger', after]);
  }
  return rows;
}

function pushes({ heard, clicks }, click, statuses) {
  const known = statuses.filter((status) => status in heard && clicks[click]);
  return known.map((status) => [`Pushed: ${status}`, 'to this page', `+${ms(heard[status] - clicks[click])}`]);
}

function row([what, how, took]) {
  const item = document.createElement('li');
  for (const [tag, text] of [['b', what], ['span', how], ['small', took]]) {
    item.append(Object.assign(document.createElement(tag), { textContent: text }));
  }
  return item;
}

// ---- clicks

async function buy(offer) {
  const clicked = performance.now();
  $('fault').hidden = true;
  try {
    const bought = await ask('/demo/orders', { offer: offer.id });
    const order = orderOf(bought.order);
    Object.assign(order, { name: offer.name, clicks: { buy: clicked }, answers: { buy: bought } });
    draw(order);
    for (const other of newest()) other.card?.querySelector('details').toggleAttribute('open', other === order);
  } catch (fault) {
    complain(`Not bought: ${fault.message}`);
  }
}

async function cancel(order) {
  order.clicks.cancel = performance.now();
  $('fault').hidden = true;
  try {
    order.answers.cancel = await ask(`/demo/orders/${order.id}/cancel`, {});
    draw(order);
  } catch (fault) {
    complain(`Not canceled: ${fault.message}`);
  }
}

// ---- start

function fill({ offers, player }) {
  $('player').textContent = player;
  $('offers').replaceChildren(...offers.map((offer) => {
    const card = $('offer').content.firstElementChild.cloneNode(true);
    const price = offer.price ? `€${offer.price}` : 'Free';
    card.dataset.offer = offer.id;
    card.querySelector('use').setAttribute('href', `#icon-${offer.id}`);
    card.querySelector('h3').textContent = offer.name;
    card.querySelector('p').textContent = offer.about;
    const button = card.querySelector('button');
    button.textContent = price;
    button.setAttribute('aria-label', `Buy ${offer.name}, ${price}`);
    button.addEventListener('click', () => buy(offer));
    return card;
  }));
}

function listen(url) {
  const client = new Centrifuge(url, {
    name: 'grantline-demo',
    // Tokens are short: each connection begins with a new one.
    getData: async () => {
      const { token, project } = await ask('/demo/session');
      return { auth: token, project_id: project };
    },
  });
  client.on('connected', () => show('connected', 'Connected'));
  client.on('connecting', () => show('connecting', 'Connecting …'));
  client.on('disconnected', ({ code, reason }) => show('disconnected', `Turned away: ${reason} (${code})`));
  client.on('publication', (publication) => hear(publication, true));
  client.on('subscribed', async ({ channel, recovered }) => {
    if (recovered) return;
    try {
      const { publications } = await client.history(channel, { limit: -1, since: { offset: 0 }, reverse: false });
      for (const publication of publications ?? []) hear(publication, false);
      await Promise.all([askInventory(), ...newest().map(askOrder)]);
    } catch (fault) {
      complain(`No history: ${fault.message}`);
    }
  });
  client.connect();
}

async function start() {
  try {
    const session = await ask('/demo/session');
    fill(session);
    listen(session.ws);
  } catch (fault) {
    show('disconnected', `Not there: ${fault.message}`);
    setTimeout(start, 3000);
  }
}

start();
