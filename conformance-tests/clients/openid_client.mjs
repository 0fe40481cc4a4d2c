// openid-client against the server: discovery, code with PKCE and `iss`, refresh, client credentials, introspection, revocation.

import { approve, approveDevice, check, here, load } from './driver.mjs'

const oauth = await load('openid-client')
const loopback = { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests] }
const issuer = new URL(here.issuer)

const web = await oauth.discovery(issuer, here.web_id, here.web_secret, oauth.ClientSecretBasic(here.web_secret), loopback)
const verifier = oauth.randomPKCECodeVerifier()
const state = oauth.randomState()
const url = oauth.buildAuthorizationUrl(web, {
  redirect_uri: here.redirect_uri,
  scope: 'notes',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
})
// It checks `iss` by itself, because the metadata say that it is sent (RFC 9207).
let token = await oauth.authorizationCodeGrant(web, await approve(url), { pkceCodeVerifier: verifier, expectedState: state })
check('code', token.scope === 'notes' && token.expires_in === 600, token)

const api = await oauth.discovery(issuer, here.api_id, here.api_secret, oauth.ClientSecretPost(here.api_secret), loopback)
let told = await oauth.tokenIntrospection(api, token.access_token)
check('introspection', told.active === true && told.username === 'ada', told)

const first = token.access_token
token = await oauth.refreshTokenGrant(web, token.refresh_token)
check('refresh', token.access_token !== first, token)

await oauth.tokenRevocation(web, token.refresh_token)
told = await oauth.tokenIntrospection(api, token.access_token)
check('dead after revocation', told.active === false, told)

const robot = await oauth.discovery(issuer, here.robot_id, here.robot_secret, oauth.ClientSecretPost(here.robot_secret), loopback)
token = await oauth.clientCredentialsGrant(robot, { scope: 'notes' })
check('client credentials', token.token_type === 'bearer', token)

const app = await oauth.discovery(issuer, here.app_id, undefined, oauth.None(), loopback)
const proof = oauth.randomPKCECodeVerifier()
const denied = oauth.buildAuthorizationUrl(app, {
  redirect_uri: here.app_redirect_uri,
  scope: 'unheard-of',
  code_challenge: await oauth.calculatePKCECodeChallenge(proof),
  code_challenge_method: 'S256',
})
try {
  await oauth.authorizationCodeGrant(app, await approve(denied), { pkceCodeVerifier: proof })
  check('an unknown scope', false, 'it was granted')
} catch (error) {
  check('an unknown scope', error.error === 'invalid_scope', error)
}

const tv = await oauth.discovery(issuer, here.tv_id, undefined, oauth.None(), loopback)
const asked = await oauth.initiateDeviceAuthorization(tv, { scope: 'notes' })
const waiting = oauth.pollDeviceAuthorizationGrant(tv, asked)
await approveDevice(asked.verification_uri_complete)
check('device', (await waiting).scope === 'notes', {})
process.exit(0)
