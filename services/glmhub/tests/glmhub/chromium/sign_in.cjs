// A member opens a page of the dashboard without a session, signs in at the issuer, and sees the page.
'use strict';

const { given, open, visitor, faults, picture, finish } = require('./looking.cjs');

const SIGN_OUT = { en: 'Sign out', zh: '退出' };
const TITLES = { en: 'Signing in', zh: '正在登录' };

/** Looks at the page that is open. */
async function look(page, told, name, found) {
  found.push(...(await faults(page, name)));
  await picture(page, told.pictures, name);
}

/** The page that leads to the issuer, held before it does; then its link. */
async function goThere(page, told, language, found) {
  const there = (url) => url.href.startsWith(`${told.issuer}/authorize`);
  await page.route(there, (route) => route.abort('aborted'));
  await page.getByRole('button', { name: 'Acme & Co' }).click();
  await page.getByRole('heading', { name: TITLES[language] }).waitFor();
  await look(page, told, `sign-in-onward-${language}`, found);
  await page.unroute(there);
  await page.locator('main a').click();
}

async function story(page, told, language, found) {
  const asked = `${told.url}/admin/dead-letters`;
  await page.goto(asked);
  await look(page, told, `sign-in-issuers-${language}`, found);
  await goThere(page, told, language, found);
  await page.getByRole('button', { name: 'I am li' }).click();
  await page.waitForURL(asked);
  await page.getByText('li · acme').waitFor();
  await page.getByRole('button', { name: SIGN_OUT[language] }).click();
  // Without being held anywhere it is one button here and one there.
  await page.getByRole('button', { name: 'Acme & Co' }).click();
  await page.getByRole('button', { name: 'I am li' }).click();
  await page.waitForURL(`${told.url}/admin/reviews`);
  await page.getByText('li · acme').waitFor();
  await page.goto(`${told.url}/admin/sign-in/callback?state=a&code=b`);
  await page.getByText('sign_in_lost').waitFor();
  await look(page, told, `sign-in-lost-${language}`, found);
}

async function main() {
  const told = given();
  const found = [];
  const browser = await open(told.chromium);
  for (const language of ['en', 'zh']) {
    const page = await visitor(browser, language, found);
    await story(page, told, language, found);
    await page.context().close();
  }
  await browser.close();
  finish(found);
}

main();
