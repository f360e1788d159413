"""Owns what the atlas page does and how it looks: sorting, pointing at things, and its style beside the report's."""

from __future__ import annotations

STYLE = """
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 0 0 12px; font-size: 13.5px; }
.bar button { font: inherit; padding: 4px 12px; border: 1px solid #c6cbd3; border-radius: 999px; background: white;
  color: var(--ink); cursor: pointer; }
.bar button[aria-pressed="true"] { background: var(--ink); border-color: var(--ink); color: white; }
.bar select { font: inherit; padding: 4px 8px; border: 1px solid #c6cbd3; border-radius: 8px; background: white;
  color: var(--ink); max-width: 100%; }
.codes { display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(158px, 1fr)); }
.codes h3 { grid-column: 1 / -1; margin: 10px 0 0; display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline;
  overflow-wrap: anywhere; }
.codes h3[hidden] { display: none; }
.codes h3 i { width: 11px; height: 11px; border-radius: 3px; }
.codes h3 span { font-weight: 400; color: var(--soft); font-size: 13px; }
.code { border: 1px solid var(--line); border-top: 3px solid var(--hue); border-radius: 8px; padding: 7px 9px 8px;
  min-width: 0; font-size: 12px; line-height: 1.35; scroll-margin-top: 12px; }
.code:target, .code.found { box-shadow: 0 0 0 2px var(--ink); }
.code header { display: flex; justify-content: space-between; color: var(--soft); }
.code header b { color: var(--ink); font-size: 13px; }
.code ol { list-style: none; margin: 4px 0 0; padding: 0; }
.code li { position: relative; display: flex; justify-content: space-between; gap: 6px; padding: 1px 4px;
  margin-top: 2px; }
.code li i { position: absolute; inset: 0 auto 0 0; background: var(--c); opacity: .22; border-radius: 3px; }
.code li span, .code li em { position: relative; font-style: normal; min-width: 0; }
.code li span { overflow-wrap: anywhere; }
.code li em { flex: none; font-variant-numeric: tabular-nums; }
.code footer { display: flex; align-items: center; gap: 6px; margin-top: 6px; color: var(--soft); }
.code footer u { flex: 1; height: 5px; border-radius: 3px; background: var(--line); overflow: hidden; }
.code footer u i { display: block; height: 100%; background: #4b5563; }
.shape { display: block; width: 100%; height: auto; }
.shape path { fill: none; stroke: var(--ink); stroke-width: 1.8; stroke-linejoin: round; }
.shape .zero { stroke: #d5d9df; stroke-width: 1; }
.shape text { font-size: 12px; fill: var(--soft); }
.shape image { image-rendering: pixelated; }
.unused { margin-top: 14px; }
.unused .codes { grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); }
.sheet { display: flex; min-width: 560px; }
.sheet > div { flex: none; width: 196px; font-size: 12px; background: white; position: sticky; left: 0; z-index: 1; }
.sheet > div span { display: block; height: 18px; line-height: 18px; overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; padding-right: 8px; text-align: right; }
.sheet > div span:first-child { height: 54px; line-height: 88px; color: var(--soft); }
.matrix { display: block; flex: 1; min-width: 0; }
.matrix rect { width: 1px; height: 1px; fill: #08306b; }
.matrix g > path { fill: #9ca3af; }
.matrix g.found > path { fill: #d55e00; }
.matrix .rule { fill: none; stroke: var(--line); stroke-width: 1px; vector-effect: non-scaling-stroke; }
.scale { display: flex; gap: 8px; align-items: center; margin: 8px 0 0; font-size: 12.5px; color: var(--soft); }
.scale i { width: 120px; height: 10px; border: 1px solid var(--line);
  background: linear-gradient(90deg, white, #08306b); }
.recording { display: block; width: 100%; min-width: 860px; height: auto; font-size: 12px; }
.recording path { fill: none; }
.recording .signal { stroke: #6b7280; stroke-width: 1.4; }
.recording .stitched { stroke: #d55e00; stroke-width: 1.5; stroke-linejoin: round; }
.recording .grid { stroke: #eceef1; }
.likely { shape-rendering: crispEdges; }
.recording .axis { stroke: #6b7280; }
.recording .frame { stroke: #e1e4e9; }
.recording .name { fill: var(--ink); }
.recording .owned { font-weight: 700; }
.recording .tick { fill: var(--soft); text-anchor: end; font-size: 11.5px; }
.recording .middle { text-anchor: middle; }
.token { cursor: pointer; }
.token text { font-size: 11px; text-anchor: middle; pointer-events: none; }
.token.found rect { stroke: #111827; stroke-width: 2; }
.key { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; margin: 0 0 10px; color: var(--soft); }
.key i { display: inline-block; width: 22px; border-top: 2px solid; margin-right: 6px; vertical-align: middle; }
@media (max-width: 600px) { .sheet > div { width: 128px; } }
#tip { position: fixed; z-index: 9; max-width: min(290px, 92vw); padding: 8px 11px; border-radius: 8px;
  font-size: 12.5px; background: white; border: 1px solid #c6cbd3;
  box-shadow: 0 4px 16px rgb(0 0 0 / 14%); pointer-events: none; }
#tip[hidden] { display: none; }
#tip b, #tip span { display: block; overflow-wrap: anywhere; }
#tip .shape { width: 180px; }
"""

SCRIPT = r"""
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
"""
