// Looks at pages in both languages: axe finds nothing, they fit narrow windows, break no rule of their own content
// policy, and a picture of each is kept.
'use strict';

const { given, open, visitor, signIn, faults, picture, finish } = require('./looking.cjs');

/** The page that is open: its language, what axe finds, and a picture. */
async function look(page, told, language, name, found) {
  const shown = await page.getAttribute('html', 'lang');
  if (!shown?.startsWith(language)) found.push(`${name}: it is in ${shown}`);
  found.push(...(await faults(page, name)));
  await picture(page, told.pictures, name);
}

/** Opens a page and looks at it. */
async function visit(page, told, language, one, found) {
  const name = `${one.name}-${language}`;
  const separator = one.path.includes('?') ? '&' : '?';
  const path = one.path.startsWith('/models') ? `${one.path}${separator}lang=${language}` : one.path;
  const answer = await page.goto(told.url + path);
  if (answer.status() !== one.status) found.push(`${name}: it was answered with ${answer.status()}`);
  await look(page, told, language, name, found);
}

async function main() {
  const told = given();
  const found = [];
  const browser = await open(told.chromium);
  for (const { links, pages } of told.visits) {
    for (const [language, link] of Object.entries(links)) {
      const page = await visitor(browser, language, found);
      if (link) {
        await page.goto(`${told.url}/admin/sign-in?link=${link}`);
        await look(page, told, language, `sign-in-${language}`, found);
        await signIn(page, told.url, link);
      }
      for (const one of pages) await visit(page, told, language, one, found);
      await page.context().close();
    }
  }
  await browser.close();
  finish(found);
}

main();
