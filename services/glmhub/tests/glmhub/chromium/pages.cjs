// Looks at pages in both languages: axe finds nothing, they fit narrow windows, break no rule of their own content
// policy, and a picture of each is kept.
'use strict';

const { given, open, visitor, signIn, faults, picture, finish } = require('./looking.cjs');

/** One page as a visitor sees it. */
async function lookAt(page, told, language, one, found) {
  const name = `${one.name}-${language}`;
  const separator = one.path.includes('?') ? '&' : '?';
  const path = one.path.startsWith('/models') ? `${one.path}${separator}lang=${language}` : one.path;
  const answer = await page.goto(told.url + path);
  if (answer.status() !== one.status) found.push(`${name}: it was answered with ${answer.status()}`);
  const shown = await page.getAttribute('html', 'lang');
  if (!shown.startsWith(language)) found.push(`${name}: it is in ${shown}`);
  found.push(...(await faults(page, name)));
  await picture(page, told.pictures, name);
}

async function main() {
  const told = given();
  const found = [];
  const browser = await open(told.chromium);
  for (const [language, link] of Object.entries(told.links)) {
    const page = await visitor(browser, language, found);
    for (const one of told.before) await lookAt(page, told, language, one, found);
    await page.goto(`${told.url}/admin/sign-in?link=${link}`);
    found.push(...(await faults(page, `sign-in-${language}`)));
    await picture(page, told.pictures, `sign-in-${language}`);
    await signIn(page, told.url, link);
    for (const one of told.inside) await lookAt(page, told, language, one, found);
    await page.context().close();
  }
  await browser.close();
  finish(found);
}

main();
