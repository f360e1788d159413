'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const codes = new Map(data.codes.map(code => [code.c, code]));
const tip = document.getElementById('tip');
const grid = document.getElementById('codes');
const sheet = document.querySelector('.matrix');
const cards = new Map([...grid.querySelectorAll('.code')].map(card => [+card.dataset.c, card]));
const columns = sheet ? new Map([...sheet.querySelectorAll('g')].map(g => [+g.dataset.c, g])) : new Map();
const headings = new Map([...grid.querySelectorAll('h3')].map(heading => [+heading.dataset.k, heading]));
let order = data.codes.map(code => code.c);
let only = '';

const orders = {
  'sub-action': () => data.codes.map(code => code.c),
  use: () => sorted(code => -code.n),
  sureness: () => sorted(code => -code.sure),
  number: () => sorted(code => code.c),
};
function sorted(key) {
  return [...data.codes].sort((a, b) => key(a) - key(b) || a.c - b.c).map(code => code.c);
}
function arrange(by) {
  order = orders[by]();
  const grouped = by === 'sub-action';
  headings.forEach(heading => { heading.hidden = !grouped || (only !== '' && heading.dataset.k !== only); });
  let last = null;
  for (const c of order) {
    const card = cards.get(c), k = codes.get(c).q[0][0];
    if (grouped && k !== last) grid.append(headings.get(k));
    last = k;
    grid.append(card);
    card.hidden = only !== '' && String(k) !== only;
  }
  order.forEach((c, place) => columns.get(c)?.setAttribute('transform', `translate(${place})`));
  document.querySelectorAll('[data-by]').forEach(b => b.setAttribute('aria-pressed', b.dataset.by === by));
}
const pressed = () => document.querySelector('[data-by][aria-pressed=true]').dataset.by;
document.querySelectorAll('[data-by]').forEach(b => b.addEventListener('click', () => arrange(b.dataset.by)));
const choice = document.getElementById('only');
choice.addEventListener('change', () => {
  only = choice.value;
  arrange(pressed());
});

function line(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
const named = pairs => pairs.map(([k, p]) => line('span', `${(p / 100).toFixed(2)} ${data.sub_actions[k]}`));
function about(c) {
  const code = codes.get(c);
  if (!code) return [line('span', 'no token of the training split chose this code')];
  const picture = cards.get(c).querySelector('.shape').cloneNode(true);
  return [picture, line('span', `${code.n} tokens (${code.share} %) of about ${code.recordings} recordings`),
    line('span', `sureness ${code.sure.toFixed(2)}, stray ${code.stray.toFixed(2)} nats`),
    line('span', code.classes.map(([name, part]) => `${name} ${part} %`).join(' · '))];
}
function show(event, title, lines) {
  tip.replaceChildren(line('b', title), ...lines);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement;
  const left = event.clientX + 14 + width > room.clientWidth ? event.clientX - 14 - width : event.clientX + 14;
  const top = event.clientY + 14 + height > room.clientHeight ? event.clientY - 14 - height : event.clientY + 14;
  tip.style.left = `${Math.max(4, Math.min(left, room.clientWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}
function mark(c) {
  document.querySelectorAll('.found').forEach(element => element.classList.remove('found'));
  if (c === null) return;
  columns.get(c)?.classList.add('found');
  document.querySelectorAll(`.token[data-c="${c}"]`).forEach(token => token.classList.add('found'));
}
function inMatrix(event) {
  const box = sheet.getBoundingClientRect();
  const place = Math.floor((event.clientX - box.left) / box.width * order.length);
  const row = Math.floor((event.clientY - box.top) / box.height * (data.rows.length + data.bar)) - data.bar;
  const c = order[Math.max(0, Math.min(place, order.length - 1))], k = data.rows[row];
  const p = k === undefined ? '' : `${(codes.get(c).all[row] / 100).toFixed(2)} ${data.sub_actions[k]}`;
  mark(c);
  show(event, `code ${c}`, [line('span', p), ...about(c)]);
}
function onToken(event, token) {
  const c = +token.dataset.c, q = token.dataset.q.split(',').map(pair => pair.split(':').map(Number));
  mark(c);
  show(event, `code ${c}, token ${+token.dataset.n + 1}`,
    [line('span', `start ${token.dataset.s}, length ${token.dataset.l} ${data.unit}`), ...named(q), ...about(c)]);
}
function onLikely(event, rectangle) {
  const group = rectangle.parentNode;
  const p = (rectangle.getAttribute('fill-opacity') * group.dataset.most).toFixed(2);
  const picture = rectangle.ownerSVGElement, box = picture.getBoundingClientRect();
  const at = (event.clientX - box.left) / box.width * picture.viewBox.baseVal.width;
  const part = (at - picture.dataset.left) / (picture.dataset.right - picture.dataset.left);
  mark(null);
  show(event, data.sub_actions[group.dataset.k],
    [line('span', `probability ${p} at ${(part * data.extent).toPrecision(3)} ${data.unit}`)]);
}
function onCard(event, card) {
  const code = codes.get(+card.dataset.c);
  if (!code) return leave();
  mark(code.c);
  show(event, `code ${code.c}`, [...named(code.q), ...about(code.c).slice(1)]);
}
function leave() {
  if (tip.hidden) return;
  tip.hidden = true;
  mark(null);
}
document.addEventListener('pointermove', event => {
  const target = event.target;
  if (!target.closest) return leave();
  const token = target.closest('.token'), card = target.closest('.code');
  if (target.closest('.matrix')) return inMatrix(event);
  if (token) return onToken(event, token);
  if (target.closest('.likely')) return onLikely(event, target);
  if (card) return onCard(event, card);
  return leave();
});
document.addEventListener('pointerleave', leave);
document.addEventListener('click', event => {
  const token = event.target.closest?.('.token');
  if (!token) return;
  const card = document.getElementById(`code-${token.dataset.c}`);
  const folded = card.closest('details');
  if (folded) folded.open = true;
  if (card.hidden) {
    choice.value = only = '';
    arrange(pressed());
  }
  location.hash = '';
  location.hash = card.id;
});
window.addEventListener('scroll', leave, { passive: true });
