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

/** Fills in a form of the page that is open, sends it, and gives the answer. */
async function send(page, form) {
  for (const [field, text] of Object.entries(form.texts)) await page.fill(`main [name="${field}"]`, text);
  if (form.ticked) await page.check(`main [value="${form.ticked}"]`);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click('main form.panel button')]);
  return answer;
}

/** Opens a page, sends its form if that is to be done, and looks at what is shown. */
async function visit(page, told, language, one, found) {
  const name = `${one.name}-${language}`;
  const separator = one.path.includes('?') ? '&' : '?';
  const path = one.path.startsWith('/models') ? `${one.path}${separator}lang=${language}` : one.path;
  const opened = await page.goto(told.url + path);
  const answer = one.form ? await send(page, one.form) : opened;
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
