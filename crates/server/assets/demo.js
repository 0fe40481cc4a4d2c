// Authorization code with PKCE, as a browser client does it (RFC 6749 section 4.1, RFC 7636, RFC 9207). Tokens live in this
// page's memory only.
const { issuer, client, resource, scope } = document.body.dataset;
const redirectUri = location.origin + "/";
const pending = "curfew-demo";
const byId = (id) => document.getElementById(id);
let tokens = null;

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

function say(text, kind = "") {
  byId("status").textContent = text;
  byId("status").className = ("note " + kind).trim();
}

function step(text) {
  byId("steps").hidden = false;
  const item = document.createElement("li");
  item.textContent = text;
  byId("log").append(item);
}

function show() {
  byId("sign-in").textContent = tokens ? "Sign in again" : "Sign in with Curfew";
  byId("refresh").hidden = byId("revoke").hidden = !tokens?.refresh_token;
  byId("answer").hidden = !tokens;
  byId("response").textContent = tokens ? JSON.stringify(tokens, null, 2) : "";
}

async function post(endpoint, fields) {
  const body = new URLSearchParams({ client_id: client, ...fields });
  const response = await fetch(issuer + endpoint, { method: "POST", body });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : {};
  if (!response.ok) throw new Error(`${answer.error}: ${answer.error_description}`);
  return answer;
}

async function signIn() {
  const verifier = random();
  const state = random();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem(pending, JSON.stringify({ verifier, state }));
  location.assign(issuer + "/authorize?" + new URLSearchParams({
    response_type: "code", client_id: client, redirect_uri: redirectUri, scope, resource, state,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256",
  }));
}

async function comeBack(query) {
  // The code leaves the address bar and the history before anything else happens.
  history.replaceState(null, "", "/");
  const kept = JSON.parse(sessionStorage.getItem(pending) ?? "null");
  sessionStorage.removeItem(pending);
  if (!kept || query.get("state") !== kept.state) throw new Error("this answer belongs to no request of this page (state)");
  if (query.get("iss") !== issuer) throw new Error("this answer comes from another server (iss)");
  if (query.has("error")) throw new Error(`${query.get("error")}: ${query.get("error_description") ?? "no reason was given"}`);
  step("The browser came back with a code; state and iss are right.");
  tokens = await post("/token", {
    grant_type: "authorization_code", code: query.get("code"), redirect_uri: redirectUri, code_verifier: kept.verifier,
  });
  step("The code and the PKCE verifier were exchanged for tokens.");
  say("You are signed in. These tokens are alive.", "good");
}

async function refresh() {
  tokens = await post("/token", { grant_type: "refresh_token", refresh_token: tokens.refresh_token });
  step("The refresh token was rotated: the old one is used up, and using it again would end everything below.");
  say("Fresh tokens.", "good");
}

async function revoke() {
  await post("/revoke", { token: tokens.refresh_token, token_type_hint: "refresh_token" });
  step("The refresh token was revoked, and the access tokens of its family with it.");
  say("Revoked. Whoever asks about these tokens now hears that they are not active.", "bad");
  tokens = null;
}

function on(id, action) {
  byId(id).addEventListener("click", () => run(action));
}

async function run(action) {
  const buttons = document.querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await action();
  } catch (error) {
    say(String(error.message ?? error), "bad");
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
    show();
  }
}

on("sign-in", signIn);
on("refresh", refresh);
on("revoke", revoke);
const query = new URLSearchParams(location.search);
if (query.has("code") || query.has("error")) run(() => comeBack(query));
else show();
