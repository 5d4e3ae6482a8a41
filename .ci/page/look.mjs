// Looks at pages in Chromium: nothing is asked for, nothing runs, no element is there that is none of the page's, axe-core
// finds nothing, and no width scrolls sideways. Writes a picture of each.
//
//   node look.mjs FOLDER-OF-PAGES FOLDER-OF-PICTURES
import { readFileSync, readdirSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [from, to] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [400, 900, 1400];
// A page of hundreds of stacks is megabytes: it is looked at once, and axe-core sees the same in small ones.
const isLarge = (name) => name.endsWith('-200');
// What axe-core calls these is worth a failure; less is told.
const SERIOUS = ['serious', 'critical'];
const failures = [];
mkdirSync(to, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});

/** What a page has that it must not: it runs in a world of its own, which the page's policy does not bind. */
function suspicious() {
  const found = [];
  const known = new Set(`a article body code dd details dl dt em figcaption figure footer h1 h2 h3 head header html li
    main meta nav ol p pre section small span strong style summary table tbody td th thead tr ul title div`.split(/\s+/));
  for (const element of document.querySelectorAll('*')) {
    const name = element.localName;
    if (!known.has(name)) found.push(`<${name}>`);
    for (const { name: attribute, value } of element.attributes) {
      if (attribute.startsWith('on') || ['src', 'srcdoc', 'srcset', 'style', 'action'].includes(attribute)) found.push(`${name} ${attribute}`);
      if (attribute === 'href' && !value.startsWith('#')) found.push(`${name} href=${value}`);
    }
  }
  if (document.title.startsWith('hacked') || document.title === '1') found.push('a script ran');
  if (document.querySelectorAll('iframe').length || frames.length) found.push('a frame');
  return found;
}

async function look(file) {
  const name = basename(file, '.html');
  const url = pathToFileURL(resolve(file)).href;
  for (const scheme of isLarge(name) ? ['light'] : ['light', 'dark']) {
    const context = await browser.newContext({ colorScheme: scheme });
    const page = await context.newPage();
    const fail = (why) => failures.push(`${name} (${scheme}): ${why}`);
    page.on('request', (it) => it.url() === url || fail(`it asked for ${it.url()}`));
    page.on('console', (it) => fail(`console: ${it.text()}`));
    page.on('pageerror', (it) => fail(`a script failed: ${it}`));
    page.on('dialog', (it) => { fail('a dialog'); it.dismiss(); });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto(url);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) fail(`${width} pixels: it scrolls ${wide} sideways`);
      await page.screenshot({ path: join(to, `${name}-${width}-${scheme}.png`), fullPage: !isLarge(name) });
    }
    for (const why of await page.evaluate(suspicious)) fail(why);
    if (isLarge(name)) return context.close();
    // All that is folded is looked at too.
    await page.evaluate(() => document.querySelectorAll('details').forEach((it) => { it.open = true; }));
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run());
    for (const { id, impact, help, nodes } of violations) {
      const what = `axe-core, ${impact}: ${id}: ${help}: ${nodes[0].html.slice(0, 160)}`;
      if (SERIOUS.includes(impact)) fail(what); else console.log(`${name} (${scheme}): ${what}`);
    }
    await context.close();
  }
  await bare(name, url);
}

/** In print, and as Jenkins shows it when it drops the style. */
async function bare(name, url) {
  const page = await browser.newPage({ viewport: { width: 900, height: 900 }, bypassCSP: true });
  await page.emulateMedia({ media: 'print' });
  await page.goto(url);
  await page.screenshot({ path: join(to, `${name}-print.png`), fullPage: true });
  await page.emulateMedia({ media: 'screen' });
  await page.evaluate(() => document.querySelector('style').remove());
  await page.screenshot({ path: join(to, `${name}-bare.png`), fullPage: true });
  await page.close();
}

const files = readdirSync(from).filter((it) => it.endsWith('.html')).sort();
if (files.length < 5) failures.push(`${files.length} pages in ${from}`);
for (const file of files) await look(join(from, file));
await browser.close();
for (const why of failures) console.error(why);
console.log(`${files.length} pages, ${failures.length} failures; pictures in ${to}`);
process.exit(failures.length > 0 ? 1 : 0);
