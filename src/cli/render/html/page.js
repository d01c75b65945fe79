'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const main = byId('results');
  let lit = [], held = null, clicked = -1e9;
  // Anchors scroll by themselves; what is left is to light up both ends.
  const light = (end) => {
    lit.forEach((it) => it.classList.remove('on'));
    lit = end ? [end, ...end.dataset.to.split(' ').map(byId).filter(Boolean)] : [];
    lit.forEach((it) => it.classList.add('on'));
  };
  const endOf = (at) => {
    const mark = at.closest && at.closest('[data-of]');
    return mark ? byId(mark.dataset.of) : at.closest && at.closest('[data-to]');
  };
  main.addEventListener('mouseover', (event) => {
    const end = endOf(event.target);
    // What scrolls under the pointer after a click was not pointed at.
    if ((end || !held) && performance.now() - clicked > 1500) light(end);
  });
  main.addEventListener('mouseleave', () => light(held));
  main.addEventListener('focusin', (event) => {
    const end = endOf(event.target);
    // Where a claim has led, its other sources stay lit.
    if (end && !(held && held !== end && lit.includes(held) && lit.includes(end))) { held = end; light(end); }
  });
  main.addEventListener('click', (event) => {
    const end = endOf(event.target);
    if (end) { held = end; clicked = performance.now(); light(end); }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !held) return;
    const claim = held.matches('.claim') ? held : byId(held.dataset.to.split(' ')[0]);
    if (claim) claim.focus();
  });
  addEventListener('beforeprint', () => document.querySelectorAll('.entry details').forEach((it) => { it.open = true; }));

  const entries = [...document.querySelectorAll('.entry')].map((section) => ({
    section, link: document.querySelector(`nav a[href="#${section.id}"]`), words: null,
    file: section.dataset.file.toLowerCase(), langs: section.dataset.lang.split(' '),
    tags: section.dataset.tags.split(' | '), first: section.dataset.first, last: section.dataset.last,
  }));
  if (entries.length < 2) return;
  const form = byId('filter');
  const offer = (select, of) => {
    const counts = new Map();
    entries.forEach((entry) => of(entry).filter(Boolean).forEach((it) => counts.set(it, (counts.get(it) || 0) + 1)));
    [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 300)
      .forEach(([it, count]) => select.add(new Option(`${it} (${count})`, it)));
  };
  offer(byId('lang'), (entry) => entry.langs);
  offer(byId('tag'), (entry) => entry.tags);
  const show = () => {
    const value = (id) => byId(id).value.trim().toLowerCase();
    const words = value('words').split(/\s+/).filter(Boolean);
    const [file, since, until] = [value('file'), value('since'), value('until')];
    const [lang, tag] = [byId('lang').value, byId('tag').value];
    let count = 0;
    entries.forEach((entry) => {
      if (words.length) entry.words ??= entry.section.textContent.toLowerCase();
      const fits = words.every((word) => entry.words.includes(word)) && entry.file.includes(file)
        && (!lang || entry.langs.includes(lang)) && (!tag || entry.tags.includes(tag))
        && (!since || entry.last >= since) && (!until || (entry.first && entry.first <= until));
      entry.section.hidden = !fits;
      if (entry.link) entry.link.parentElement.hidden = !fits;
      count += fits;
    });
    byId('shown').textContent = count === entries.length ? '' : `${count} of ${entries.length} shown`;
  };
  let timer;
  form.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(show, 120); });
  form.addEventListener('submit', (event) => { event.preventDefault(); show(); });
  form.hidden = false;
})();
