// oauth4webapi against the server, a public client: it checks every header and member of every answer.

import { approve, approveDevice, check, here, load } from './driver.mjs'

const oauth = await load('oauth4webapi')
const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(here.issuer)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }))

const client = { client_id: here.app_id }
const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const url = new URL(as.authorization_endpoint)
url.search = new URLSearchParams({
  client_id: client.client_id,
  redirect_uri: here.app_redirect_uri,
  response_type: 'code',
  scope: 'notes',
  state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
const parameters = oauth.validateAuthResponse(as, client, await approve(url), state)
const answer = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, here.app_redirect_uri, verifier, insecure)
const token = await oauth.processAuthorizationCodeResponse(as, client, answer)
check('code', token.token_type === 'bearer' && token.refresh_token !== undefined, token)

const refreshed = await oauth.processRefreshTokenResponse(
  as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token.refresh_token, insecure),
)
check('refresh', refreshed.refresh_token !== token.refresh_token, refreshed)

const api = { client_id: here.api_id }
const secret = oauth.ClientSecretBasic(here.api_secret)
const told = await oauth.processIntrospectionResponse(
  as, api, await oauth.introspectionRequest(as, api, secret, refreshed.access_token, insecure),
)
check('introspection', told.active === true, told)

await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.None(), refreshed.refresh_token, insecure))
const dead = await oauth.processIntrospectionResponse(
  as, api, await oauth.introspectionRequest(as, api, secret, refreshed.access_token, insecure),
)
check('dead after revocation', dead.active === false, dead)

const robot = { client_id: here.robot_id }
const robotAnswer = await oauth.clientCredentialsGrantRequest(
  as, robot, oauth.ClientSecretBasic(here.robot_secret), new URLSearchParams({ scope: 'notes' }), insecure,
)
check('client credentials', (await oauth.processClientCredentialsResponse(as, robot, robotAnswer)).expires_in === 600, {})

const tv = { client_id: here.tv_id }
const asked = await oauth.processDeviceAuthorizationResponse(
  as, tv, await oauth.deviceAuthorizationRequest(as, tv, oauth.None(), { scope: 'notes' }, insecure),
)
const poll = async () => oauth.processDeviceCodeResponse(
  as, tv, await oauth.deviceCodeGrantRequest(as, tv, oauth.None(), asked.device_code, insecure),
)
try {
  await poll()
  check('pending', false, 'a token before the approval')
} catch (error) {
  check('pending', error.error === 'authorization_pending', error)
}
await approveDevice(asked.verification_uri_complete)
check('device', (await poll()).scope === 'notes', {})
process.exit(0)
