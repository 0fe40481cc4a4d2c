// The OpenID provider `oidc-provider` on a loopback address, with one client and its own development pages, on which anybody signs in by
// writing who they are. It is told what to be by CURFEW_TEST, prints `LISTENING origin`, and ends when its standard input does.

import { createServer } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const here = JSON.parse(process.env.CURFEW_TEST)

function module(...path) {
  return import(pathToFileURL(join(process.env.CURFEW_CLIENTS_NODE, 'node_modules', ...path)))
}

const { default: Provider } = await module('oidc-provider', 'lib', 'index.js')
const { exportJWK, generateKeyPair } = await module('jose', 'dist', 'webapi', 'index.js')

async function key(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg.toLowerCase() }
}

const people = here.people // subject -> claims
const server = createServer()
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const issuer = `http://127.0.0.1:${server.address().port}`

const provider = new Provider(issuer, {
  clients: [{
    client_id: here.client_id,
    client_secret: here.client_secret,
    redirect_uris: [here.redirect_uri],
    backchannel_logout_uri: here.backchannel_logout_uri,
    backchannel_logout_session_required: true,
    grant_types: ['authorization_code'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [await key('ES256'), await key('RS256')] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  cookies: { keys: [here.client_secret] },
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
  findAccount: (ctx, sub) => people[sub] && { accountId: sub, claims: () => ({ sub, ...people[sub] }) },
})

server.on('request', provider.callback())
process.stdin.resume().on('end', () => process.exit(0))
console.log(`LISTENING ${issuer}`)
