// What the Node clients share. The test that runs them plays the person: it is told a URL and answers with where the browser ended up.

import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export const here = JSON.parse(process.env.CURFEW_TEST)

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

export async function approve(url) {
  console.log(`AUTHORIZE ${url}`)
  return new URL((await lines.next()).value.trim())
}

export async function approveDevice(link) {
  console.log(`DEVICE ${link}`)
  check('approval', (await lines.next()).value.trim() === 'approved', link)
}

export function load(name) {
  return import(pathToFileURL(join(process.env.CURFEW_CLIENTS_NODE, 'node_modules', name, 'build', 'index.js')))
}

export function check(what, fine, told) {
  if (!fine) {
    console.error(`${what}: ${JSON.stringify(told)}`)
    process.exit(1)
  }
  console.log(`ok ${what}`)
}
